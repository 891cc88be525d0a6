"""How sure a model may be: the temperature, the threshold of "none of these", and how far off the sureness is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.floating]
EPSILON = 1e-7  # a probability below this counts as this: float32 softmax gives exact zeros
BINS = 10  # equal-width bins of the calibration error


def log_loss(probabilities: Floats, truth: NDArray[np.intp]) -> float:
    """Mean negative log-likelihood in nats; probabilities [n, labels], truth [n]."""
    return float(-np.log(np.clip(probabilities[np.arange(len(truth)), truth], EPSILON, 1)).mean())


def tempered(probabilities: Floats, temperature: float) -> Floats:
    """The softmax [n, labels] of the logits divided by ``temperature``, from probabilities at temperature 1."""
    logits = np.log(np.clip(probabilities, EPSILON, 1)) / temperature
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))


def fit_temperature(probabilities: Floats, truth: NDArray[np.intp], bounds: tuple[float, float]) -> float:
    """The temperature within ``bounds`` that minimises the log loss (Guo et al. 2017).

    Bounded, as on a set without a mistake the loss falls for ever as the temperature goes to 0.
    """
    found = minimize_scalar(
        lambda log_t: log_loss(tempered(probabilities, float(np.exp(log_t))), truth),
        bounds=tuple(np.log(bounds)),
        method="bounded",
    )
    return round(float(np.exp(found.x)), 4)


def choose_threshold(id_score: Floats, unknown: Floats, *, keep: float, highest: float) -> float:
    """The threshold on ``id_score`` below which the answer is "none of these".

    Args:
        id_score: scores of pictures of the labels, 0..1.
        unknown: scores of pictures of none of them; may be empty.
        keep: without such pictures, the share of the labels' pictures that stays answered.
        highest: without such pictures, the threshold goes no higher: a few easy pictures must not set it.

    With pictures of both kinds: of the thresholds that are right about as often as the best one (both kinds weighing
    the same, Youden's index; within its standard error, after Breiman et al. 1984), the one nearest to 0.5, where a
    network that was trained on both kinds in equal parts has its own border. The best itself is the whim of a few
    pictures.
    """
    if not len(unknown):
        return min(float(np.quantile(id_score, 1 - keep)), highest)
    values = np.unique(np.concatenate([id_score, unknown, [0.0, 1.0]]))
    candidates = np.append(0.0, (values[1:] + values[:-1]) / 2)  # 0: everything is answered
    kept = (id_score[:, None] >= candidates).mean(0)
    held_back = (unknown[:, None] < candidates).mean(0)
    right = kept + held_back
    best = int(right.argmax())
    variance = kept[best] * (1 - kept[best]) / len(id_score) + held_back[best] * (1 - held_back[best]) / len(
        unknown
    )
    as_good = candidates[
        right >= max(right[best] - np.sqrt(variance), 1 - EPSILON)
    ]  # 1: no better than a coin
    return float(as_good[np.abs(as_good - 0.5).argmin()])


@dataclass(frozen=True)
class Bin:
    """Answers of one range of confidence: their mean confidence and share right, 0..1, and their number."""

    confidence: float
    accuracy: float
    count: int


def reliability_bins(probabilities: Floats, truth: NDArray[np.intp], bins: int = BINS) -> list[Bin]:
    """Answers sorted by confidence into ``bins`` ranges of equal width over 0..1; empty ones are left out."""
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        Bin(float(confidence[place == i].mean()), float(right[place == i].mean()), int((place == i).sum()))
        for i in range(bins)
        if (place == i).any()
    ]


def calibration_error(probabilities: Floats, truth: NDArray[np.intp], bins: int = BINS) -> float:
    """Expected calibration error, 0..1 (Naeini et al. 2015): mean distance of confidence from share right."""
    total = len(truth)
    return sum(
        b.count / total * abs(b.confidence - b.accuracy) for b in reliability_bins(probabilities, truth, bins)
    )
