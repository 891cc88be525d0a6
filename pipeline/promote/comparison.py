"""How much better or worse a challenger is than another model, photo by photo, and how sure that is.

Both answered all photos by cross-validation (`pipeline.metrics.predictions`): no photo is answered by a head that was
fitted on it, whatever the test split was when either was made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from pipeline.metrics.predictions import Prediction

LABELS = "labels"  # the part of the pictures that show one of the labels
OTHER = "other"  # the part that shows none of them, whatever the project calls it


@dataclass(frozen=True)
class Difference:
    """Share of pictures that the challenger gets right, less the champion's: -1..1.

    ``low`` and ``high`` are one-sided limits: the true difference lies above ``low`` with the confidence that was
    asked for, and below ``high`` likewise. ``losses``: pictures that only the champion gets right; ``gains``: only
    the challenger.
    """

    value: float
    low: float
    high: float
    pictures: int
    losses: int
    gains: int


@dataclass(frozen=True)
class Comparison:
    """The challenger and another model on the photos that both know."""

    rival: str  # "the champion" or "the best before it"
    name: str  # the other's
    prove: bool  # whether the challenger has to be proved not inferior; else it must not be proved worse
    differences: Mapping[tuple[str, str], Difference]  # by variant and part (`LABELS`, `OTHER`, or a label)


def compare(
    rival: str,
    name: str,
    theirs: Sequence[Prediction],
    ours: Sequence[Prediction],
    labels: Sequence[str],
    confidence: float,
) -> Comparison:
    """Pair the answers of another model and a challenger to the photos that both know by the same label.

    The challenger has to be proved not inferior where both know the same photos by the same labels. Where photos were
    added, removed or relabelled the other answers an older question, and the challenger may only not be proved worse.

    Args:
        rival, name: see `Comparison`.
        theirs, ours: answers by cross-validation.
        labels: of both; any other truth is none of them.
        confidence: see `difference`.
    """
    known = {(p.sha256, p.truth, p.variant): p for p in theirs}
    parts: dict[tuple[str, str], list[tuple[bool, bool, str]]] = {}
    for own in ours:
        if other := known.get((own.sha256, own.truth, own.variant)):
            for part in (LABELS, own.truth) if own.truth in labels else (OTHER,):
                answers = other.right(labels), own.right(labels), own.group
                parts.setdefault((own.variant, part), []).append(answers)
    found = {}
    for place, pairs in parts.items():
        theirs_right, ours_right, groups = zip(*pairs, strict=True)
        found[place] = difference(np.array(theirs_right), np.array(ours_right), groups, confidence)
    same = {(p.sha256, p.truth) for p in theirs} == {(p.sha256, p.truth) for p in ours}
    return Comparison(rival, name, same, found)


def difference(
    champion: NDArray[np.bool_], challenger: NDArray[np.bool_], groups: Sequence[str], confidence: float
) -> Difference:
    """Compare who is right on the same pictures.

    The limits are those of the score test for paired proportions (T. Tango, Statistics in Medicine 17 (1998) 891-908,
    made to show equivalence and non-inferiority; it holds its level on few pictures and where the two never disagree,
    which a bootstrap does not: two models that agree on six pictures are not proved equal). The pictures of a group are
    no independent evidence: the counts are divided by the design effect first (J. N. K. Rao and A. J. Scott,
    Biometrics 48 (1992) 577-585), which is estimated from the groups and at least 1; where the two models never
    disagree it can't be estimated, and a group counts as one picture.

    Args:
        champion, challenger: who is right [n]; n >= 1.
        groups: the group of each picture [n].
        confidence: of each limit, one-sided, in 0.5..1.
    """
    delta = challenger.astype(float) - champion
    n, losses, gains = len(delta), int((delta < 0).sum()), int((delta > 0).sum())
    effect = design_effect(delta, groups)
    z = NormalDist().inv_cdf(confidence)
    b, c, m = losses / effect, gains / effect, n / effect
    return Difference((gains - losses) / n, _limit(b, c, m, z), -_limit(c, b, m, z), n, losses, gains)


def least_pictures(margin: float, confidence: float) -> float:
    """On fewer independent pictures not even the champion itself could be proved not inferior by ``margin``."""
    return NormalDist().inv_cdf(confidence) ** 2 * (1 - margin) / margin


def design_effect(values: NDArray[np.float64], groups: Sequence[str]) -> float:
    """How many pictures of these ``groups`` [n] say as much of the mean of ``values`` [n] as one independent one: 1..n.

    Where all values are the same, a group counts as one picture.
    """
    group = np.unique(np.asarray(groups), return_inverse=True)[1]
    n, number = len(values), int(group.max()) + 1
    residual = values - values.mean()
    independent = float(residual @ residual) * n / max(n - 1, 1)
    if not independent or number == 1:
        return n / number
    clustered = float((np.bincount(group, weights=residual) ** 2).sum()) * number / (number - 1)
    return min(max(1.0, clustered / independent), float(n))


def _limit(losses: float, gains: float, n: float, z: float) -> float:
    """The least difference that Tango's score statistic does not reject: where it is ``z``."""
    value = (gains - losses) / n
    if value < 1e-9 - 1:
        return -1.0

    def excess(d: float) -> float:
        b, c = (2 * n - gains + losses) * d - gains - losses, -losses * d * (1 - d)
        q = (sqrt(max(0.0, b * b - 8 * n * c)) - b) / (4 * n)  # P(only the champion is right), were d the difference
        return n * (value - d) - z * sqrt(max(0.0, n * (2 * q + d * (1 - d))))

    return float(brentq(excess, -1, value - 1e-9))  # at ``value`` itself it may be 0 as well
