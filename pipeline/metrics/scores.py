"""The figures of a classifier that may answer "none of these", from its answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import confusion_matrix

from pipeline.metrics.calibration import Floats, calibration_error, id_scores, log_loss
from pipeline.metrics.intervals import Clusters
from pipeline.metrics.schema import Figure, Scores

MOST_RESAMPLES = 300  # of statistics that are computed anew in each


@dataclass(frozen=True)
class Answers:
    """What a model said about n pictures, and what they are.

    Attributes:
        labels: names of the columns of ``probabilities``.
        truth: index of the picture's label [n], -1 for none of them.
        probabilities: calibrated, [n, labels].
        id_score: how sure that it is one of the labels, [n], 0..1.
        threshold: below it the answer is "none of these": one for all, or one a picture [n].
        clusters: pictures of one cluster are no independent evidence [n]: their group, or their source.
    """

    labels: tuple[str, ...]
    truth: NDArray[np.intp]
    probabilities: Floats
    id_score: Floats
    threshold: float | Floats
    clusters: tuple[str, ...]

    @property
    def best(self) -> NDArray[np.intp]:
        """Index of the likeliest label [n], whether it would be answered or not."""
        return np.asarray(self.probabilities.argmax(1))

    @property
    def answer(self) -> NDArray[np.intp]:
        """Index of the answer [n], -1 for "none of these"."""
        return np.where(self.id_score >= self.threshold, self.best, -1)


def answers_of(
    logits: Floats,
    targets: NDArray[np.intp],
    labels: Sequence[str],
    threshold: float | Floats,
    clusters: Sequence[str],
) -> Answers:
    """The answers of a head: calibrated logits [n, outputs], and ``targets``, indices of outputs [n]."""
    count = len(labels)
    return Answers(
        labels=tuple(labels),
        truth=np.where(targets < count, targets, -1),
        probabilities=softmax(logits[:, :count], axis=1),
        id_score=id_scores(logits, count),
        threshold=threshold,
        clusters=tuple(clusters),
    )


def score(answers: Answers, seed: int) -> Scores:
    """All figures of one model on one set, each with its 95 % interval."""
    clusters = Clusters(answers.clusters, seed)
    truth, best, answer, shown = answers.truth, answers.best, answers.answer, answers.truth >= 0
    losses, confidence = np.zeros(len(truth)), answers.probabilities.max(1)
    losses[shown] = log_loss(answers.probabilities[shown], truth[shown])
    few = Clusters(answers.clusters, seed, MOST_RESAMPLES)
    by_score = np.argsort(answers.id_score, kind="stable")

    def error(weights: NDArray[np.intp], *, only_over: bool = False) -> float:
        drawn = np.repeat(np.arange(len(truth)), np.where(shown, weights, 0))
        if not len(drawn):
            return float("nan")
        return calibration_error(confidence[drawn], (best == truth)[drawn], only_over=only_over)

    return Scores(
        served_accuracy=clusters.mean(answer == truth, shown),
        closed_set_accuracy=clusters.mean(best == truth, shown),
        fnr=clusters.mean(answer < 0, shown),
        fpr=clusters.mean(answer >= 0, ~shown),
        auroc=few.statistic(lambda weights: auroc(shown, answers.id_score, weights, by_score), len(truth)),
        open_set_accuracy=clusters.mean(answer == truth),
        log_loss=clusters.mean(losses, shown),
        calibration_error=few.statistic(error, int(shown.sum())),
        overconfidence=few.statistic(partial(error, only_over=True), int(shown.sum())),
        recall={name: clusters.mean(answer == i, truth == i) for i, name in enumerate(answers.labels)},
        precision={name: clusters.mean(truth == i, answer == i) for i, name in enumerate(answers.labels)},
        confusion=confusion_matrix(truth, answer, labels=[*range(len(answers.labels)), -1]).tolist(),
    )


def served_accuracy(answers: Answers, seed: int) -> Figure:
    """Of the labels' pictures, the share that is answered with its label."""
    return Clusters(answers.clusters, seed).mean(answers.answer == answers.truth, answers.truth >= 0)


def auroc(
    positive: NDArray[np.bool_],
    scores: Floats,
    weights: NDArray[np.intp] | None = None,
    order: NDArray[np.intp] | None = None,
) -> float:
    """Area under the ROC curve of pictures that count ``weights`` times [n]; NaN where only one kind is there.

    The share of pairs that are in order, ties counting half (Mann-Whitney). ``order`` sorts ``scores``: a bootstrap
    sorts once.
    """
    order = np.argsort(scores, kind="stable") if order is None else order
    count = np.ones(len(scores)) if weights is None else weights
    up, down = np.where(positive, count, 0)[order], np.where(positive, 0, count)[order]
    if not up.sum() or not down.sum():
        return float("nan")
    _, tied = np.unique(scores[order], return_inverse=True)
    negatives = np.bincount(tied, down)
    below = np.cumsum(negatives) - negatives / 2
    return float((np.bincount(tied, up) * below).sum() / (up.sum() * down.sum()))
