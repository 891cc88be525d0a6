"""How sure a figure is: 95 % intervals that know that pictures of one group are no independent evidence."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from pipeline.metrics.schema import Figure

CONFIDENCE = 0.95
RESAMPLES = 1000
NONE = Figure(value=None, low=None, high=None, n=0)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The Wilson score interval of a proportion, recommended for small n by Brown, Cai & DasGupta 2001."""
    interval = binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


class Clusters:
    """Groups of pictures, drawn with replacement as a whole (cluster bootstrap: Davison & Hinkley 1997, 3.8)."""

    def __init__(self, groups: Sequence[str], seed: int, resamples: int = RESAMPLES) -> None:
        self.groups = tuple(groups)
        names, self.index = np.unique(np.array(groups), return_inverse=True)
        self.number = len(names)
        draw = np.random.default_rng(seed)
        # How often each resample draws each cluster: [resamples, clusters].
        self.drawn = draw.multinomial(self.number, np.full(self.number, 1 / self.number), resamples)

    @property
    def weights(self) -> NDArray[np.intp]:
        """How often each resample draws each picture: [resamples, n]."""
        return np.asarray(self.drawn[:, self.index])

    def mean(self, values: NDArray[Any], where: NDArray[np.bool_] | None = None) -> Figure:
        """The mean of ``values`` [n] over the pictures of ``where`` [n]; for shares they are booleans."""
        used = np.ones(len(values), bool) if where is None else where
        n = int(used.sum())
        if not n:
            return NONE
        sums = np.bincount(self.index, np.where(used, values, 0), self.number)
        counts = np.bincount(self.index, used, self.number)
        sizes = self.drawn @ counts
        means = (self.drawn @ sums)[sizes > 0] / sizes[sizes > 0]
        figure = _figure(float(values[used].mean()), means, n)
        if values.dtype == bool and figure.low == figure.high:
            # All right, or all wrong: no resample says otherwise. What the number of clusters can say is Wilson's.
            clusters = int((counts > 0).sum())
            low, high = wilson(round(float(values[used].mean()) * clusters), clusters)
            figure = figure.model_copy(update={"low": low, "high": high})
        return figure

    def statistic(self, of: Callable[[NDArray[np.intp]], float], n: int) -> Figure:
        """Any statistic: ``of`` takes how often each picture counts [n] and returns a number, NaN where it can't."""
        value = of(np.ones(len(self.index), np.intp))
        if np.isnan(value):
            return NONE
        return _figure(value, np.array([of(weights) for weights in self.weights]), n)


def _figure(value: float, resampled: NDArray[np.floating[Any]], n: int) -> Figure:
    finite = resampled[np.isfinite(resampled)]
    if not len(finite):
        return Figure(value=value, low=None, high=None, n=n)
    low, high = np.quantile(finite, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Figure(value=value, low=min(float(low), value), high=max(float(high), value), n=n)
