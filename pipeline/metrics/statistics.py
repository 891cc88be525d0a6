"""How sure a figure is: intervals for small test sets, and a test of two models on the same pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb, isnan, nan, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure with its confidence interval: ``low <= high``, measured on ``n`` pictures.

    All three are NaN where nothing could be measured (n = 0); `to_json` turns that into null.
    """

    value: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, float | int | None]:
        """As the metrics of a bundle's manifest hold it: {"value", "low", "high", "n"}; NaN is null."""
        figures = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if isnan(figure) else figure for name, figure in figures.items()} | {"n": self.n}


def wilson(successes: int, n: int, *, confidence: float = CONFIDENCE) -> Interval:
    """The Wilson score interval of a proportion: ``successes`` of ``n``, so 0 <= low <= value <= high <= 1.

    Unlike the textbook interval (value ± z·standard error) it keeps its promise on small sets and near 0
    and 1, where the figures of a good classifier lie.

    Sources: E. B. Wilson, JASA 22 (1927) 209-212; recommended for small n by Brown, Cai and DasGupta,
    Statistical Science 16 (2001) 101-133.

    Raises:
        ValueError: not 0 <= successes <= n, or confidence not in (0, 1).
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must be within 0..{n}, not {successes}")
    z = _z(confidence)
    if n == 0:
        return Interval(nan, nan, nan, 0)
    share = successes / n
    centre = share + z * z / (2 * n)
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At 0 and n one bound is the share itself; rounding must not push it past (0.9999999999999999 < 1.0).
    low = 0.0 if successes == 0 else min(share, (centre - spread) / scale)
    high = 1.0 if successes == n else max(share, (centre + spread) / scale)
    return Interval(share, low, high, n)


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    n: int,
    *,
    groups: Sequence[str] | None = None,
    resamples: int = 1000,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """The percentile bootstrap interval of any figure; the same seed gives the same interval.

    Args:
        statistic: gets the indices [m] of the pictures to measure (with repetitions), gives the figure; NaN
            where a resample holds nothing to measure (say, AUROC with one class missing): it is left out.
        n: how many pictures there are; indices run from 0 to n-1.
        groups: one name a picture [n]; whole groups are drawn: the pictures of a burst are one evidence.
        resamples: how many times to draw; with 1000 a bound lies within some half percent of its percentile.

    Sources: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapter 13; drawing whole
    clusters: A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application (1997), section 3.8.

    Raises:
        ValueError: ``groups`` has another length than n, resamples < 1, or confidence not in (0, 1).
    """
    _z(confidence)
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}")
    if groups is not None and len(groups) != n:
        raise ValueError(f"groups must name one group a picture: {n}, not {len(groups)}")
    if n == 0:
        return Interval(nan, nan, nan, 0)
    members = _members(groups, n)
    value = float(statistic(np.arange(n)))
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(resamples):
        chosen = generator.integers(len(members), size=len(members))
        drawn.append(float(statistic(np.concatenate([members[i] for i in chosen]))))
    measured = np.array([figure for figure in drawn if not isnan(figure)])
    if isnan(value) or not measured.size:
        return Interval(value, nan, nan, n)
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(measured, [tail, 100 - tail])
    return Interval(value, float(low), float(high), n)


def mcnemar(losses: int, gains: int) -> float:
    """How likely an equally good challenger loses to the champion as clearly as this: exact p in (0, 1].

    Only the pictures on which the two disagree count; if they are equally good, each such picture falls to
    either side like a fair coin, so p = P(X >= losses) with X ~ Binomial(losses + gains, 1/2), one-sided. A
    small p says that the challenger is worse.

    Args:
        losses: pictures that the champion gets right and the challenger wrong.
        gains: pictures that the challenger gets right and the champion wrong.

    Sources: Q. McNemar, Psychometrika 12 (1947) 153-157; the test for two classifiers on one test set:
    T. G. Dietterich, Neural Computation 10 (1998) 1895-1923. Exact, as its chi-squared form is wrong below
    some 25 disagreements.

    Raises:
        ValueError: a count is negative.
    """
    if losses < 0 or gains < 0:
        raise ValueError(f"losses and gains can't be negative: {losses}, {gains}")
    n = losses + gains
    return sum(comb(n, k) for k in range(losses, n + 1)) / (1 << n)


def _members(groups: Sequence[str] | None, n: int) -> list[NDArray[np.intp]]:
    if groups is None:
        return list(np.arange(n).reshape(n, 1))
    places: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        places.setdefault(group, []).append(index)
    return [np.array(indices) for indices in places.values()]


def _z(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    return NormalDist().inv_cdf((1 + confidence) / 2)
