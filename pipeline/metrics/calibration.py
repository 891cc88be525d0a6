"""How sure a model may be: the temperature, the threshold of "none of these", and how far off the sureness is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

Floats = NDArray[np.floating[Any]]
EPSILON = 1e-7  # a probability below this counts as this: float32 softmax gives exact zeros
TEMPERATURES = (0.2, 5.0)  # on a set without a mistake the loss falls for ever as the temperature goes to 0
BINS = 10  # of equal numbers of answers, for the calibration error


def log_loss(probabilities: Floats, truth: NDArray[np.intp]) -> Floats:
    """Negative log-likelihood of each picture [n] in nats; probabilities [n, labels], truth [n]."""
    return np.asarray(-np.log(np.clip(probabilities[np.arange(len(truth)), truth], EPSILON, 1)))


def balanced_log_loss(logits: Floats, targets: NDArray[np.intp]) -> float:
    """Mean log loss in nats in which every target has the same say: logits [n, outputs], targets [n]."""
    losses = -log_softmax(logits, axis=1)[np.arange(len(targets)), targets]
    return float(np.mean([losses[targets == target].mean() for target in np.unique(targets)]))


def fit_temperature(logits: Floats, targets: NDArray[np.intp]) -> float:
    """The temperature within `TEMPERATURES` that minimises the balanced log loss (Guo et al. 2017).

    Args:
        logits: [n, outputs], of photos that the head was not fitted on.
        targets: index of each photo's output [n].
    """
    found = minimize_scalar(
        lambda log_t: balanced_log_loss(logits / np.exp(log_t), targets),
        bounds=tuple(np.log(TEMPERATURES)),
        method="bounded",
    )
    return round(float(np.exp(found.x)), 4)


def id_scores(logits: Floats, labels: int) -> Floats:
    """In-distribution score of each picture [n], 0..1: how sure that it shows one of the ``labels`` at all.

    One minus the share of the output after the labels (outlier exposure: Hendrycks et al. 2019), or, where there is no
    such output, the largest probability (Hendrycks & Gimpel 2017).
    """
    shares = softmax(logits, axis=1)
    return np.asarray(shares.max(1) if logits.shape[1] == labels else 1 - shares[:, labels])


def choose_threshold(scores: Floats, rejected: float, clusters: NDArray[np.intp] | None = None) -> float:
    """The highest threshold at which at most the share ``rejected`` of the labels' pictures is below it.

    Args:
        scores: id scores [n] of pictures of the labels by heads that were fitted without them.
        rejected: share in 0..1.
        clusters: index of each picture's source [n]. Then it is the mean of the sources' shares, what is expected of a
            new source: one large source that nothing else resembles would else decide alone.
    """
    if not len(scores):
        return 0.0
    share = np.ones(len(scores)) if clusters is None else 1 / np.bincount(clusters)[clusters]
    order = np.argsort(scores, kind="stable")
    below = np.cumsum(share[order]) / share.sum()
    return float(scores[order][min(int((below <= rejected + 1e-9).sum()), len(scores) - 1)])


@dataclass(frozen=True)
class Calibration:
    """What logits are divided by, and the id score below which the answer is "none of these"."""

    temperature: float
    threshold: float

    @classmethod
    def of(
        cls,
        logits: Floats,
        targets: NDArray[np.intp],
        labels: int,
        rejected: float,
        clusters: NDArray[np.intp] | None = None,
    ) -> "Calibration":
        """Fitted to the logits [n, outputs] of photos that the head was not fitted on; see `choose_threshold`."""
        if not len(targets):
            return cls(1.0, 0.0)
        temperature = fit_temperature(logits, targets)
        shown = targets < labels
        scores = id_scores(logits[shown] / temperature, labels)
        return cls(temperature, choose_threshold(scores, rejected, None if clusters is None else clusters[shown]))

    def id_scores(self, logits: Floats, labels: int) -> Floats:
        """In-distribution scores [n] of logits [n, outputs]."""
        return id_scores(logits / self.temperature, labels)


@dataclass(frozen=True)
class Bin:
    """Answers of one range of confidence: their mean confidence and share right, 0..1, and their number."""

    confidence: float
    accuracy: float
    count: int


def reliability_bins(confidence: Floats, right: NDArray[np.bool_], bins: int = BINS) -> list[Bin]:
    """Answers sorted by confidence [n] into ``bins`` ranges with about as many answers each."""
    order = np.argsort(confidence, kind="stable")
    return [
        Bin(float(confidence[part].mean()), float(right[part].mean()), len(part))
        for part in np.array_split(order, bins)
        if len(part)
    ]


def calibration_error(
    confidence: Floats, right: NDArray[np.bool_], bins: int = BINS, *, only_over: bool = False
) -> float:
    """Debiased L2 calibration error, 0..1: how far confidence [n] and share right differ.

    The plain estimate of Naeini et al. 2015 is far from 0 on few pictures even for a perfectly calibrated model; this
    one takes the variance of each bin's share right off (Kumar, Liang & Ma 2019, "Verified uncertainty calibration").
    With ``only_over`` only the bins count in which fewer answers are right than their confidence says.
    """
    total = 0.0
    for each in reliability_bins(confidence, right, bins):
        if only_over and each.confidence <= each.accuracy:
            continue
        variance = each.accuracy * (1 - each.accuracy) / (each.count - 1) if each.count > 1 else 0.0
        total += each.count / len(confidence) * ((each.confidence - each.accuracy) ** 2 - variance)
    return float(np.sqrt(max(total, 0.0)))
