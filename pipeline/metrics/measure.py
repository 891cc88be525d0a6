"""Figures of a classifier that may answer "none of these", each with a 95 % interval.

Proportions have Wilson's interval; everything else a bootstrap over groups, as the pictures of one group are no
independent evidence.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from pipeline.metrics.calibration import Floats, calibration_error, log_loss, tempered
from pipeline.metrics.statistics import bootstrap, wilson

Figure = dict[str, float | int | None]  # an Interval as JSON has it


@dataclass(frozen=True)
class Answers:
    """What a model said about n pictures, and what they are.

    Attributes:
        labels: names of the columns of ``probabilities``.
        truth: index of the picture's label [n], -1 for none of them.
        probabilities: calibrated, [n, labels].
        id_score: how sure that it is one of the labels, [n], 0..1.
        threshold: below it the answer is "none of these".
        temperature: what the logits were divided by.
        groups: the group of each picture [n].
    """

    labels: tuple[str, ...]
    truth: NDArray[np.intp]
    probabilities: Floats
    id_score: Floats
    threshold: float
    temperature: float
    groups: tuple[str, ...]

    @property
    def best(self) -> NDArray[np.intp]:
        """Index of the likeliest label [n], whether it would be answered or not."""
        return np.asarray(self.probabilities.argmax(1))

    @property
    def answer(self) -> NDArray[np.intp]:
        """Index of the answer [n], -1 for "none of these"."""
        return np.where(self.id_score >= self.threshold, self.best, -1)

    def take(self, where: NDArray[np.bool_]) -> "Answers":
        """The pictures for which ``where`` [n] holds."""
        groups = tuple(g for g, kept in zip(self.groups, where, strict=True) if kept)
        return Answers(
            self.labels,
            self.truth[where],
            self.probabilities[where],
            self.id_score[where],
            self.threshold,
            self.temperature,
            groups,
        )


def measure(answers: Answers, *, resamples: int, seed: int) -> dict[str, Any]:
    """All figures of one model on one set, as the manifest of a bundle holds them.

    Accuracy, precision, recall, F1, log loss and calibration are over the pictures of the labels, whatever
    ``id_score`` says of them; ``none_of_these`` is over all pictures, and None where there are none of that kind.
    """
    shown = answers.take(answers.truth >= 0)
    truth, best, n = shown.truth, shown.best, len(shown.truth)

    def resampled(statistic: Callable[[NDArray[np.intp]], float]) -> Figure:
        return bootstrap(statistic, n, groups=shown.groups, resamples=resamples, seed=seed).to_json()

    plain = tempered(shown.probabilities, 1 / shown.temperature)
    by_label = {label: (truth == i, best == i) for i, label in enumerate(shown.labels)}
    return {
        "accuracy": wilson(int((best == truth).sum()), n).to_json(),
        "recall": {label: _share(said[true]) for label, (true, said) in by_label.items()},
        "precision": {label: _share(true[said]) for label, (true, said) in by_label.items()},
        "f1": {label: resampled(_f1(true, said)) for label, (true, said) in by_label.items()},
        "log_loss": resampled(lambda i: log_loss(shown.probabilities[i], truth[i])),
        "log_loss_uncalibrated": resampled(lambda i: log_loss(plain[i], truth[i])),
        "ece": resampled(lambda i: calibration_error(shown.probabilities[i], truth[i])),
        "ece_uncalibrated": resampled(lambda i: calibration_error(plain[i], truth[i])),
        "none_of_these": _none_of_these(answers, resamples=resamples, seed=seed),
    }


def _none_of_these(answers: Answers, *, resamples: int, seed: int) -> dict[str, Figure] | None:
    """How well pictures of none of the labels are told from the others.

    ``auroc`` of ``id_score``; ``fpr``: share of pictures of none of the labels that get a label all the same; ``fnr``:
    share of the labels' pictures that are answered "none of these"; ``accuracy``: share of all pictures that get the
    answer they should, be it a label or none.
    """
    none = answers.truth < 0
    if not none.any() or none.all():
        return None
    area = bootstrap(
        lambda i: auroc(~none[i], answers.id_score[i]),
        len(none),
        groups=answers.groups,
        resamples=resamples,
        seed=seed,
    )
    return {
        "auroc": area.to_json(),
        "fpr": _share(answers.answer[none] >= 0),
        "fnr": _share(answers.answer[~none] < 0),
        "accuracy": _share(answers.answer == answers.truth),
    }


def auroc(positive: NDArray[np.bool_], score: Floats) -> float:
    """Area under the ROC curve, NaN where only one kind is there."""
    return float(roc_auc_score(positive, score)) if positive.any() and not positive.all() else float("nan")


def by_kind(answers: Answers, kinds: Sequence[str]) -> dict[str, Figure]:
    """Accuracy apart for each kind of picture (real, rendered), over the pictures of the labels."""
    shown = answers.truth >= 0
    kind = np.array(kinds)
    return {
        name: _share((answers.best == answers.truth)[shown & (kind == name)])
        for name in sorted(set(kind[shown]))
    }


def _share(true: NDArray[np.bool_]) -> Figure:
    return wilson(int(true.sum()), len(true)).to_json()


def _f1(true: NDArray[np.bool_], said: NDArray[np.bool_]) -> Callable[[NDArray[np.intp]], float]:
    def f1(i: NDArray[np.intp]) -> float:
        both, either = (true[i] & said[i]).sum(), true[i].sum() + said[i].sum()
        return float(2 * both / either) if either else float("nan")

    return f1
