"""Is the draft better than the promoted model? Both judged by cross-validation, on the same photos, label by label."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.data.split import SplitRow
from pipeline.promote.comparison import difference
from studio.draft import Judged

Verdict = Literal["better", "not proven", "worse", "not measured"]
FEW = 10  # sittings that are worth their number
CONFIDENCE = 0.95  # of each limit of a difference, one-sided
NOT_MEASURED = "not measured yet: show it once more somewhere else"


@dataclass(frozen=True)
class LabelMeasure:
    """What is known about a label: shares of its photos that are answered rightly now and before, None if unknown."""

    name: str
    photos: int
    sittings: int  # groups of photos that belong together
    right: float | None
    before: float | None
    verdict: Verdict
    said: str


@dataclass(frozen=True)
class Measure:
    """Each label, and all of them together."""

    labels: list[LabelMeasure]
    verdict: Verdict
    said: str


def measure(rows: Sequence[SplitRow], after: Judged, before: Judged, none_label: str) -> Measure:
    """Compare two ways to judge the same photos.

    Args:
        rows: all photos, for their numbers.
        after, before: see `studio.draft.Base.judge`.
        none_label: the label of pictures of none of the labels.
    """
    right, was, targets = after.right(), before.right(), after.photos.targets
    labels = []
    for name in sorted({row.label for row in rows}, key=lambda name: (name == none_label, name)):
        own = [row for row in rows if row.label == name]
        sittings, shown = len({row.group for row in own}), "none of these" if name == none_label else name
        where = _where(after, name, targets)
        count = f"{shown}: {_many(len(own), 'photo')}"
        if sittings <= FEW:
            count += f" of {_many(sittings, 'sitting')}"
        if not where.any():
            labels.append(
                LabelMeasure(name, len(own), sittings, None, None, "not measured", f"{count}; {NOT_MEASURED}")
            )
            continue
        verdict = verdict_of(was[where], right[where], after.parts[where].tolist())
        now, then = float(right[where].mean()), float(was[where].mean())
        said = f"{count}; {now:.0%} right, {then:.0%} before: {verdict}"
        labels.append(LabelMeasure(name, len(own), sittings, now, then, verdict, said))
    if not len(targets):
        return Measure(labels, "not measured", "nothing can be measured yet: no label has photos of two sittings")
    verdict = verdict_of(was, right, after.parts.tolist())
    said = (
        f"{right.mean():.0%} of {len(right)} photos right where their source or sitting was left out, "
        f"{was.mean():.0%} before: {verdict}"
    )
    return Measure(labels, verdict, said)


def _where(judged: Judged, name: str, targets: NDArray[np.intp]) -> NDArray[np.bool_]:
    outputs = judged.photos.outputs
    return targets == outputs.index(name) if name in outputs else np.zeros(len(targets), bool)


def verdict_of(before: NDArray[np.bool_], after: NDArray[np.bool_], groups: Sequence[object]) -> Verdict:
    """Whether more photos are right ``after`` than ``before`` [n], as sure as `CONFIDENCE`; n >= 1.

    Photos of one of ``groups`` [n] are no independent evidence: see `pipeline.promote.comparison.difference`.
    """
    found = difference(before, after, [str(group) for group in groups], CONFIDENCE)
    return "better" if found.low > 0 else "worse" if found.high < 0 else "not proven"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
