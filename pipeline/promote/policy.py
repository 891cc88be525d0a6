"""Whether a model may be served: a decision from figures alone, with reasons. Reads and writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from pydantic import Field

from pipeline.core.config import Settings
from pipeline.metrics.intervals import mcnemar


class Floors(Settings):
    """Least values: shares in 0..1."""

    accuracy_low: float = Field(ge=0, le=1)
    recall: float = Field(ge=0, le=1)
    none_of_these_auroc: float = Field(ge=0, le=1)


class Ceilings(Settings):
    """Greatest values: ECE in 0..1, parity as a difference of probabilities, MB, milliseconds."""

    ece: float = Field(ge=0, le=1)
    parity: float = Field(gt=0, le=1)
    size_mb: float = Field(gt=0)
    latency_ms: float = Field(gt=0)


class ChampionRule(Settings):
    """When the challenger counts as worse."""

    alpha: float = Field(gt=0, lt=0.5)


class SmallSet(Settings):
    """Below how many test pictures a figure is judged by what can be known from so few."""

    below: int = Field(ge=0)
    label_below: int = Field(ge=0)


class PromoteSettings(Settings):
    """conf/promote/: see there for the reasons of every number."""

    model: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
    floors: Floors
    ceilings: Ceilings
    champion: ChampionRule
    small_set: SmallSet


@dataclass(frozen=True)
class Gate:
    """One line of the policy.

    ``value`` is what was measured (None: not measured), ``limit`` what was asked, ``note`` the reason if it
    failed or was judged leniently. ``provisional``: there were too few pictures to judge it in full.
    """

    name: str
    passed: bool
    value: float | None
    limit: str
    note: str = ""
    provisional: bool = False


@dataclass(frozen=True)
class Paired:
    """Champion and challenger on the same pictures: how many, and on which only one of the two is right."""

    pictures: int
    losses: int  # the champion right, the challenger wrong
    gains: int  # the challenger right, the champion wrong

    @property
    def p(self) -> float:
        """How likely an equal challenger does as badly; see `pipeline.metrics.intervals.mcnemar`."""
        return mcnemar(self.losses, self.gains)


@dataclass(frozen=True)
class Rival:
    """The champion: its name, on how many test pictures it was measured, and how the two compare.

    ``known`` compares on pictures of the labels, ``none`` on those of none of them; both are None where the
    labels are others, and either where there are no such pictures.
    """

    version: str
    labels: tuple[str, ...]
    measured_on: int
    known: Paired | None = None
    none: Paired | None = None


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
        return [f"{gate.name}: {gate.note}" for gate in told]

    def to_json(self) -> list[dict[str, Any]]:
        """The gates as plain values."""
        return [asdict(gate) for gate in self.gates]


def decide(
    metrics: Mapping[str, Any], labels: Sequence[str], settings: PromoteSettings, rival: Rival | None = None
) -> Decision:
    """Hold a candidate's ``metrics`` against the policy, and against the champion where there is one.

    Args:
        metrics: as evaluate writes them into the manifest; a figure that is missing fails its line.
        labels: of the candidate.
        settings: conf/promote/.
        rival: the champion, if there is one.
    """
    gates = [_accuracy(metrics, len(labels), settings)]
    gates += [_recall(metrics, label, settings) for label in labels]
    gates += [
        _ece(metrics, settings),
        _none_of_these(metrics, settings),
        _ceiling(metrics, "parity with torch", ("parity", "max_abs_difference"), settings.ceilings.parity),
        _ceiling(metrics, "size, MB", ("size_mb",), settings.ceilings.size_mb),
        _ceiling(metrics, "latency, ms", ("latency_ms", "p50"), settings.ceilings.latency_ms),
    ]
    return Decision(tuple(gates + _against(rival, gates[0], labels, settings)))


def _accuracy(metrics: Mapping[str, Any], labels: int, settings: PromoteSettings) -> Gate:
    floor, few = settings.floors.accuracy_low, settings.small_set.below
    limit = f"lower bound >= {floor:g}"
    if (n := _number(metrics, "accuracy", "n")) == 0:
        return Gate(
            "accuracy", False, None, limit, "there is no test picture: add photos from more occasions"
        )
    value, low = (_number(metrics, "accuracy", key) for key in ("value", "low"))
    if value is None or low is None or n is None:
        return _missing("accuracy", "accuracy", limit)
    if n >= few:
        return Gate(
            "accuracy", low >= floor, low, limit, _unless(low >= floor, f"{low:.3f} is below {floor:g}")
        )
    chance = 1 / labels
    limit = f"value >= {chance:.3f} (chance)"
    if value < chance:
        return Gate("accuracy", False, value, limit, f"{value:.3f} is below chance on {n:.0f} test pictures")
    note = f"only {n:.0f} test pictures, fewer than {few}: no worse than chance is all that can be asked"
    return Gate("accuracy", True, value, limit, note, provisional=True)


def _recall(metrics: Mapping[str, Any], label: str, settings: PromoteSettings) -> Gate:
    name = f"recall of {label}"
    if _number(metrics, "recall", label, "n") == 0:
        note = "no test picture of this label, so nobody knows"
        return Gate(name, True, None, f">= {settings.floors.recall:g}", note, provisional=True)
    return _floor(metrics, name, ("recall", label), settings.floors.recall, settings.small_set.label_below)


def _none_of_these(metrics: Mapping[str, Any], settings: PromoteSettings) -> Gate:
    floor, name = settings.floors.none_of_these_auroc, "none of these, AUROC"
    if metrics.get("none_of_these") is None:
        return Gate(
            name, True, None, f">= {floor:g}", "not measured: there are no pictures of none of the labels"
        )
    return _floor(metrics, name, ("none_of_these", "auroc"), floor, settings.small_set.label_below)


def _floor(metrics: Mapping[str, Any], name: str, path: tuple[str, ...], floor: float, few: int) -> Gate:
    """A value at least ``floor``; of fewer than ``few`` pictures the upper bound at least that."""
    limit = f">= {floor:g}"
    value, high, n = (_number(metrics, *path, key) for key in ("value", "high", "n"))
    if value is None or n is None:
        return _missing(name, ".".join(path), limit)
    if value >= floor:
        return Gate(name, True, value, limit)
    if n >= few or high is None or high < floor:
        return Gate(name, False, value, limit, f"{value:.3f} is below {floor:g}")
    note = (
        f"{value:.3f} of only {n:.0f} test pictures may well be {floor:g}: the interval reaches to {high:.3f}"
    )
    return Gate(name, True, value, limit, note, provisional=True)


def _ece(metrics: Mapping[str, Any], settings: PromoteSettings) -> Gate:
    name, ceiling = "calibration error", settings.ceilings.ece
    gate = _ceiling(metrics, name, ("ece", "value"), ceiling)
    n = _number(metrics, "ece", "n")
    if gate.passed or gate.value is None or n is None or n >= settings.small_set.below:
        return gate
    note = f"{gate.value:.3f} of only {n:.0f} test pictures is mostly noise, and not judged"
    return Gate(name, True, gate.value, gate.limit, note, provisional=True)


def _ceiling(metrics: Mapping[str, Any], name: str, path: tuple[str, ...], ceiling: float) -> Gate:
    value, limit = _number(metrics, *path), f"<= {ceiling:g}"
    if value is None:
        return _missing(name, ".".join(path), limit)
    return Gate(
        name, value <= ceiling, value, limit, _unless(value <= ceiling, f"{value:g} is above {ceiling:g}")
    )


def _against(
    rival: Rival | None, accuracy: Gate, labels: Sequence[str], settings: PromoteSettings
) -> list[Gate]:
    if rival is None:
        return []
    if set(rival.labels) != set(labels):
        others = ", ".join(rival.labels)
        note = f"{rival.version} knows other labels ({others}): no comparison, the floors decide"
        return [Gate("champion", True, None, "same labels", note)]
    gates = []
    if accuracy.provisional and rival.measured_on >= settings.small_set.below:
        note = (
            f"{rival.version} was measured on {rival.measured_on} test pictures, this model on too few to "
            "replace it: add photos, or promote it with `python -m pipeline.promote anyway --why …`"
        )
        gates.append(Gate("champion", False, None, "measured as well", note))
    for name, paired in (("against the champion", rival.known), ("against it, none of these", rival.none)):
        if paired is not None:
            worse = paired.p < settings.champion.alpha
            note = (
                f"{rival.version} alone is right on {paired.losses} of the same {paired.pictures} pictures, "
                f"this model alone on {paired.gains}: worse, with p = {paired.p:.2g}"
            )
            limit = f"p >= {settings.champion.alpha:g}"
            gates.append(Gate(name, not worse, paired.p, limit, _unless(not worse, note)))
    return gates


def _missing(name: str, path: str, limit: str) -> Gate:
    note = f"metrics.{path} is missing from the candidate's manifest; `dvc repro -f evaluate` measures it"
    return Gate(name, False, None, limit, note)


def _unless(passed: bool, note: str) -> str:
    return "" if passed else note


def _number(metrics: Mapping[str, Any], *path: str) -> float | None:
    found: Any = metrics
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    is_number = isinstance(found, int | float) and not isinstance(found, bool) and isfinite(found)
    return float(found) if is_number else None
