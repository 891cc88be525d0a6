"""Whether a model may be served: a decision from figures alone, with reasons. Reads and writes nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil, floor
from typing import Any

import numpy as np
from pydantic import Field
from scipy.stats import binomtest

from bundle import VariantName
from pipeline.core.config import Settings
from pipeline.metrics.intervals import NONE, wilson
from pipeline.metrics.predictions import Prediction
from pipeline.metrics.schema import Figure, Metrics, Scores, VariantFacts
from pipeline.promote.paired import Difference, design_effect, least_pictures

LABELS = "labels"  # the part of the pictures that show one of the labels
OTHER = "other"  # the part that shows none of them, whatever the project calls it


class Floors(Settings):
    """Least values: shares in 0..1."""

    served_accuracy_low: float = Field(ge=0, le=1)
    recall: float = Field(ge=0, le=1)
    auroc: float = Field(ge=0, le=1)
    agreement: float = Field(ge=0, le=1)


class Ceilings(Settings):
    """Greatest values: shares in 0..1, parity as a difference of probabilities, MB, milliseconds."""

    fnr: float = Field(ge=0, le=1)
    fnr_of_label: float = Field(ge=0, le=1)
    fpr: float = Field(ge=0, le=1)
    calibration_error: float = Field(ge=0, le=1)
    parity: float = Field(gt=0, le=1)
    size_mb: float = Field(gt=0)
    latency_ms: float = Field(gt=0)


class ChampionRule(Settings):
    """How much worse than the champion is still not inferior (shares), and how sure that must be (one-sided)."""

    margin: float = Field(gt=0, lt=1)
    other_margin: float = Field(gt=0, lt=1)
    confidence: float = Field(gt=0.5, lt=1)


class SmallSet(Settings):
    """Below how many pictures a figure is judged by what can be known from so few."""

    below: int = Field(ge=0)
    label_below: int = Field(ge=0)
    guess_p: float = Field(gt=0, lt=1)


class PromoteSettings(Settings):
    """conf/promote/: see there for the reasons of every number."""

    model: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
    floors: Floors
    ceilings: Ceilings
    champion: ChampionRule
    small_set: SmallSet


@dataclass(frozen=True)
class Gate:
    """One line of the policy, for one variant where it is about one.

    ``value`` is what was measured (None: not measured), ``limit`` what was asked, ``note`` the reason if it
    failed or was judged leniently. ``provisional``: there were too few pictures to judge it in full.
    """

    name: str
    passed: bool
    value: float | None
    limit: str
    note: str = ""
    provisional: bool = False
    variant: str | None = None


@dataclass(frozen=True)
class Comparison:
    """The challenger and another model on the same pictures.

    Attributes:
        rival: what the other is: "the champion" or "the best before it".
        name: the other's.
        pictures: which pictures these are: "cross-validation" or "test split".
        prove: whether the challenger has to be proved not inferior; else it must not be proved worse.
        differences: by variant and part (`LABELS`, `OTHER`, or a label).
    """

    rival: str
    name: str
    pictures: str
    prove: bool
    differences: Mapping[tuple[str, str], Difference]


@dataclass(frozen=True)
class Decision:
    """Passed or not, line by line; ``reasons`` say what failed, or in what respect it is provisional."""

    gates: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
        """Whether every line passed."""
        return all(gate.passed for gate in self.gates)

    @property
    def provisional(self) -> bool:
        """Whether it passed on less than the policy asks of a set of ordinary size."""
        return self.passed and any(gate.provisional for gate in self.gates)

    @property
    def reasons(self) -> list[str]:
        """One sentence for each line that failed, or if none did, for each that was judged leniently."""
        told = [gate for gate in self.gates if not gate.passed] or [g for g in self.gates if g.provisional]
        return [f"{g.name}{f', {g.variant}' if g.variant else ''}: {g.note}" for g in told]

    def to_json(self) -> list[dict[str, Any]]:
        """The gates as plain values."""
        return [asdict(gate) for gate in self.gates]


def decide(
    metrics: Metrics,
    predictions: Sequence[Prediction],
    labels: Sequence[str],
    variants: Sequence[VariantName],
    settings: PromoteSettings,
    comparisons: Iterable[Comparison] = (),
) -> Decision:
    """Hold a candidate against the policy, and against other models.

    Args:
        metrics: of the candidate; floors are about pictures from elsewhere.
        predictions: of the candidate, from elsewhere.
        labels: of the candidate.
        variants: those that are served; each has to pass.
        settings: conf/promote/.
        comparisons: with the champion and the best before it.
    """
    gates, floor = [], settings.floors.served_accuracy_low
    for variant in variants:
        scores, test = metrics.elsewhere.variants.get(variant), metrics.test.get(variant)
        facts = metrics.variants.get(variant)
        if not (scores and test and facts) or not (
            set(scores.recall) >= set(labels) and scores.confusion[len(labels) - 1 :]
        ):
            note = "not measured, or of other labels; `dvc repro -f evaluate` measures it"
            gates.append(Gate("figures", False, None, "measured", note, variant=variant))
            continue
        own = [p for p in predictions if p.variant == variant and p.truth in labels]
        found = [_served_accuracy(scores.served_accuracy, own, labels, settings)]
        found += _scores(scores, labels, settings)
        # The file itself, on pictures that it was not trained on: those from elsewhere are answered by refitted heads.
        found.append(
            _judged("served accuracy, test split", test.served_accuracy, floor, settings.small_set.below)
        )
        found += _file(facts, settings)
        gates += [replace(gate, variant=variant) for gate in found]
    gates.append(_ceiling("parity with torch", metrics.parity, settings.ceilings.parity))
    return Decision((*gates, *(gate for each in comparisons for gate in _against(each, settings))))


def _served_accuracy(
    figure: Figure, predictions: Sequence[Prediction], labels: Sequence[str], settings: PromoteSettings
) -> Gate:
    """The lower bound against its floor; on a small set, whether it can be told from a guess at all."""
    name, least, few = "served accuracy", settings.floors.served_accuracy_low, settings.small_set
    limit = f"lower bound >= {least:g}"
    if not predictions:
        note = "no picture of the labels was answered from elsewhere: add photos from more occasions"
        return Gate(name, False, None, limit, note)
    if len(predictions) >= few.below:
        low = figure.low or 0.0
        return _gate(name, low >= least, low, limit, f"{low:.3f} is below {least:g}")
    right = np.array([p.right(labels) for p in predictions])
    effect = design_effect(right.astype(float), [p.group for p in predictions])
    chance = max(Counter(p.truth for p in predictions).values()) / len(right)
    successes, n = (
        floor(right.sum() / effect + 1e-9),
        ceil(len(right) / effect - 1e-9),
    )  # both against the model
    p_guess = binomtest(successes, n, chance, "greater").pvalue
    note = f"{right.sum()} right of only {len(right)} pictures of the labels, "
    if p_guess < few.guess_p:
        note += f"fewer than {few.below}: better than a guess is all that can be asked"
        return Gate(name, True, figure.value, f"no guess, p < {few.guess_p:g}", note, provisional=True)
    note += f"which the commonest label alone may reach (p = {p_guess:.2g}): add photos"
    return Gate(name, False, figure.value, f"no guess, p < {few.guess_p:g}", note)


def _scores(scores: Scores, labels: Sequence[str], settings: PromoteSettings) -> list[Gate]:
    floors, ceilings, few = settings.floors, settings.ceilings, settings.small_set
    gates = [
        _judged("rejected (FNR)", scores.fnr, ceilings.fnr, few.below, least=False),
        _judged("others accepted (FPR)", scores.fpr, ceilings.fpr, few.label_below, least=False),
        _judged("none of these, AUROC", scores.auroc, floors.auroc, few.label_below),
        _judged(
            "calibration error", scores.calibration_error, ceilings.calibration_error, few.below, least=False
        ),
    ]
    for label, answers in zip(labels, scores.confusion, strict=False):
        gates.append(_judged(f"served, {label}", scores.recall[label], floors.recall, few.label_below))
        rejected = _share(answers[-1], sum(answers))
        gates.append(
            _judged(f"rejected, {label}", rejected, ceilings.fnr_of_label, few.label_below, least=False)
        )
    return gates


def _judged(name: str, figure: Figure, limit: float, few: int, *, least: bool = True) -> Gate:
    """``figure`` at least (else at most) ``limit``; of fewer than ``few`` pictures, what the interval allows."""
    sign, asked = (1, f">= {limit:g}") if least else (-1, f"<= {limit:g}")
    if figure.value is None:
        note = "there are no pictures to measure it, so nobody knows"
        return Gate(name, True, None, asked, note, provisional=True)
    if sign * (figure.value - limit) >= 0:
        return Gate(name, True, figure.value, asked)
    note = f"{figure.value:.3f} of {figure.n} pictures is {'below' if least else 'above'} {limit:g}"
    best = figure.high if least else figure.low
    lenient = figure.n < few and best is not None and sign * (best - limit) >= 0
    return Gate(name, lenient, figure.value, asked, note + ", but so few may be chance" * lenient, lenient)


def _file(facts: VariantFacts, settings: PromoteSettings) -> list[Gate]:
    least, ceilings = settings.floors.agreement, settings.ceilings
    note = f"only {facts.agreement:.3f} of the views get the answer of fp32"
    return [
        _gate("same answer as fp32", facts.agreement >= least, facts.agreement, f">= {least:g}", note),
        _ceiling("size, MB", facts.size_mb, ceilings.size_mb),
        _ceiling("latency, ms", facts.latency_ms.p50, ceilings.latency_ms),
    ]


def _ceiling(name: str, value: float, ceiling: float) -> Gate:
    return _gate(name, value <= ceiling, value, f"<= {ceiling:g}", f"{value:g} is above {ceiling:g}")


def _against(comparison: Comparison, settings: PromoteSettings) -> list[Gate]:
    """Not inferior where that can be asked, not proved worse elsewhere; a label not proved worse by the margin."""
    rule, gates = settings.champion, []
    for (variant, part), found in comparison.differences.items():
        margin = rule.other_margin if part == OTHER else rule.margin
        enough = part != OTHER or found.pictures >= least_pictures(margin, rule.confidence)
        if part in (LABELS, OTHER) and comparison.prove and enough:
            value, least, verdict = found.low, -margin, f"not proved to be within {margin:g} of"
        else:
            value, verdict = found.high, "proved worse than"
            least = 0.0 if part in (LABELS, OTHER) else -margin
        note = (
            f"{verdict} {comparison.name}, which alone is right on {found.losses} of {found.pictures} pictures, this "
            f"model alone on {found.gains}; difference {found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
        )
        limit = f"{'low' if value == found.low else 'high'} >= {least:g}"
        name = f"against {comparison.rival}, {comparison.pictures}: {part}"
        gates.append(replace(_gate(name, value >= least, value, limit, note), variant=variant))
    return gates


def _gate(name: str, passed: bool, value: float, limit: str, note: str) -> Gate:
    return Gate(name, passed, value, limit, "" if passed else note)


def _share(count: int, of: int) -> Figure:
    if not of:
        return NONE
    low, high = wilson(count, of)
    return Figure(value=count / of, low=low, high=high, n=of)
