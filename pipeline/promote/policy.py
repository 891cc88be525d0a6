"""Whether a model may be served: a decision from figures alone, with reasons. Reads and writes nothing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy.stats import binomtest

from bundle import VariantName
from pipeline.core.config import Settings
from pipeline.metrics.intervals import NONE, wilson
from pipeline.metrics.predictions import Prediction
from pipeline.metrics.schema import Figure, Metrics, Scores
from pipeline.promote.comparison import LABELS, OTHER, Comparison, design_effect, least_pictures

Share = Annotated[float, Field(ge=0, le=1)]
Margin = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Row = tuple[str, Figure | float, Literal["<=", ">="], float, int]  # name, measured, asked, below how many it is lenient


class Floors(Settings):
    """Least values."""

    served_accuracy_low: Share
    recall: Share
    auroc: Share
    agreement: Share


class Ceilings(Settings):
    """Greatest values: shares, parity as a difference of probabilities, MB, milliseconds."""

    fnr: Share
    fnr_of_label: Share
    fpr: Share
    overconfidence: Share
    parity: Margin
    size_mb: Positive
    latency_ms: Positive


class ChampionRule(Settings):
    """How much worse than the champion is still not inferior (shares), and how sure that must be (one-sided)."""

    margin: Margin
    other_margin: Margin
    confidence: float = Field(gt=0.5, lt=1)


class SmallSet(Settings):
    """Below how many pictures a figure is judged by what can be known from so few."""

    below: int = Field(ge=0)
    label_below: int = Field(ge=0)
    guess_p: Margin


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
class Decision:
    """Passed or not, line by line; ``reasons`` say what failed, or in what respect it is provisional."""

    gates: tuple[Gate, ...]

    @property
    def passed(self) -> bool:
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


def decide(
    metrics: Metrics,
    predictions: Sequence[Prediction],
    labels: Sequence[str],
    variants: Sequence[VariantName],
    settings: PromoteSettings,
    comparisons: Iterable[Comparison] = (),
) -> Decision:
    """Hold a candidate against the policy, and against the models of ``comparisons``.

    ``metrics``, ``predictions`` (from elsewhere) and ``labels`` are the candidate's; each of ``variants``, those that
    are served, has to pass.
    """
    gates = []
    for variant in variants:
        scores = metrics.elsewhere.variants.get(variant)
        complete = scores and set(scores.recall) >= set(labels) and len(scores.confusion) >= len(labels)
        if scores and complete and variant in metrics.test and variant in metrics.variants:
            own = [p for p in predictions if p.variant == variant and p.truth in labels]
            found = [_served_accuracy(scores.served_accuracy, own, labels, settings)]
            found += [_judged(*row) for row in _rows(metrics, scores, variant, labels, settings)]
        else:
            note = "not measured, or of other labels; `dvc repro -f evaluate` measures it"
            found = [Gate("figures", False, None, "measured", note)]
        gates += [replace(gate, variant=variant) for gate in found]
    gates.append(_judged("parity with torch", metrics.parity, "<=", settings.ceilings.parity, 0))
    return Decision((*gates, *(gate for each in comparisons for gate in _against(each, settings.champion))))


def _rows(
    metrics: Metrics, scores: Scores, variant: VariantName, labels: Sequence[str], settings: PromoteSettings
) -> list[Row]:
    low, high, few, one = settings.floors, settings.ceilings, settings.small_set.below, settings.small_set.label_below
    test, facts = metrics.test[variant].served_accuracy, metrics.variants[variant]
    rows: list[Row] = [
        ("rejected (FNR)", scores.fnr, "<=", high.fnr, few),
        ("others accepted (FPR)", scores.fpr, "<=", high.fpr, one),
        ("none of these, AUROC", scores.auroc, ">=", low.auroc, one),
        ("overconfidence", scores.overconfidence, "<=", high.overconfidence, few),
        # The file itself, on pictures that it was not trained on: those from elsewhere are answered by refitted heads.
        ("served accuracy, test split", test, ">=", low.served_accuracy_low, few),
        ("same answer as fp32", facts.agreement, ">=", low.agreement, 0),
        ("size, MB", facts.size_mb, "<=", high.size_mb, 0),
        ("latency, ms", facts.latency_ms.p50, "<=", high.latency_ms, 0),
    ]
    for label, answers in zip(labels, scores.confusion, strict=False):
        rows.append((f"served, {label}", scores.recall[label], ">=", low.recall, one))
        rows.append((f"rejected, {label}", _share(answers[-1], sum(answers)), "<=", high.fnr_of_label, one))
    return rows


def _judged(name: str, measured: Figure | float, sign: Literal["<=", ">="], limit: float, few: int) -> Gate:
    """Hold one row against its limit; of fewer than ``few`` pictures, what the interval allows."""
    figure = measured if isinstance(measured, Figure) else Figure(value=measured, low=None, high=None, n=0)
    asked, way = f"{sign} {limit:g}", 1 if sign == ">=" else -1
    if figure.value is None:
        return Gate(name, True, None, asked, "there are no pictures to measure it, so nobody knows", provisional=True)
    if way * (figure.value - limit) >= 0:
        return Gate(name, True, figure.value, asked)
    pictures = f" of {figure.n} pictures" if figure.n else ""
    note = f"{figure.value:.3g}{pictures} is {'below' if way > 0 else 'above'} {limit:g}"
    best = figure.high if way > 0 else figure.low
    lenient = figure.n < few and best is not None and way * (best - limit) >= 0
    return Gate(name, lenient, figure.value, asked, note + ", but so few may be chance" * lenient, lenient)


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
        return Gate(name, low >= least, low, limit, "" if low >= least else f"{low:.3f} is below {least:g}")
    right = np.array([p.right(labels) for p in predictions])
    effect = design_effect(right.astype(float), [p.group for p in predictions])
    chance = max(Counter(p.truth for p in predictions).values()) / len(right)
    successes, n = floor(right.sum() / effect + 1e-9), ceil(len(right) / effect - 1e-9)  # both against the model
    p_guess = binomtest(successes, n, chance, "greater").pvalue
    better = bool(p_guess < few.guess_p)
    why = f"fewer than {few.below}: better than a guess is all that can be asked"
    if not better:
        why = f"which the commonest label alone may reach (p = {p_guess:.2g}): add photos"
    note = f"{right.sum()} right of only {len(right)} pictures of the labels, {why}"
    return Gate(name, better, figure.value, f"no guess, p < {few.guess_p:g}", note, provisional=better)


def _against(comparison: Comparison, rule: ChampionRule) -> Iterable[Gate]:
    """Not inferior where that can be asked, not proved worse elsewhere; a label not proved worse by the margin."""
    for (variant, part), found in comparison.differences.items():
        margin = rule.other_margin if part == OTHER else rule.margin
        enough = part != OTHER or found.pictures >= least_pictures(margin, rule.confidence)
        if part in (LABELS, OTHER) and comparison.prove and enough:
            end, value, least, verdict = "low", found.low, -margin, f"not proved to be within {margin:g} of"
        else:
            end, value, verdict = "high", found.high, "proved worse than"
            least = 0.0 if part in (LABELS, OTHER) else -margin
        note = (
            f"{verdict} {comparison.name}, which alone is right on {found.losses} of {found.pictures} pictures, this "
            f"model alone on {found.gains}; difference {found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
        )
        passed = value >= least
        name = f"against {comparison.rival}: {part}"
        yield Gate(name, passed, value, f"{end} >= {least:g}", "" if passed else note, variant=variant)


def against_test(metrics: Metrics, champion: Metrics, variants: Iterable[VariantName]) -> Iterable[Gate]:
    """The files themselves on the same test split: the champion's interval must not lie above the challenger's."""
    for variant in variants:
        if variant in metrics.test and variant in champion.test:
            own, other = metrics.test[variant].served_accuracy, champion.test[variant].served_accuracy
            if own.high is not None and other.low is not None:
                passed, limit = own.high >= other.low, f"high >= {other.low:.3g}"
                note = "" if passed else f"proved worse, {own.value:.3f} against {other.value:.3f} of {own.n} pictures"
                yield Gate("against the champion, test split", passed, own.high, limit, note, variant=variant)


def _share(count: int, of: int) -> Figure:
    if not of:
        return NONE
    low, high = wilson(count, of)
    return Figure(value=count / of, low=low, high=high, n=of)
