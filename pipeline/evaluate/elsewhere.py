"""Served accuracy from elsewhere: every photo answered by a head that was fitted without its source."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle import VariantName
from pipeline.metrics.calibration import Calibration
from pipeline.metrics.intervals import Clusters
from pipeline.metrics.predictions import Prediction
from pipeline.metrics.schema import Elsewhere, Figure
from pipeline.metrics.scores import Answers, answers_of, score, served_accuracy
from pipeline.models import crossval
from pipeline.models.crossval import Parts
from pipeline.models.head import Space
from pipeline.models.learner import PROBE
from pipeline.models.photos import Photos

INNER = 9  # folds of the other parts, whose left-out answers calibrate the answers of a part


@dataclass(frozen=True)
class Fit:
    """How a head is fitted and calibrated: see `pipeline.models.head` and `conf/export/`."""

    strength: float
    rejected: float


def left_out(x: NDArray[np.float32], photos: Photos, apart: Parts, fit: Fit) -> Answers:
    """The answer of each photo by a head, a temperature and a threshold that know nothing of its part.

    As the served model they are fitted on the photos of training and validation. Strictly nested: what calibrates the
    answers of a part are answers of heads that were fitted without it as well.
    """
    space, targets, outputs = Space(x), photos.targets, len(photos.outputs)
    logits, threshold = np.zeros((len(targets), outputs)), np.zeros(len(targets))
    inner, fitted = apart.coarse(INNER + 1).index, photos.fitted
    for part in range(apart.number):
        out = apart.index == part
        kept = fitted & ~out
        weights, bias = space.fit(kept, targets, outputs, fit.strength)
        calibrating = crossval.out_of_fold(space, targets, inner, outputs, fit.strength, kept)[kept]
        found = Calibration.of(calibrating, targets[kept], photos.labels, fit.rejected, apart.index[kept])
        logits[out] = (space.coordinates[out] @ weights.T + bias) / found.temperature
        threshold[out] = found.threshold
    clusters = [str(part) for part in apart.index]
    if apart.method == "grouped-k-fold":  # folds are drawn, not found: what hangs together are the groups
        clusters = [row.group for row in photos.rows]
    return answers_of(logits, targets, photos.outputs[: photos.labels], threshold, clusters)


def measure(
    photos: Photos, by_variant: dict[VariantName, NDArray[np.float32]], fit: Fit, seed: int
) -> tuple[Elsewhere, dict[VariantName, Answers]]:
    """The figures of each variant whose features are ``by_variant``, and its answers.

    A source that was left out has no commonest label of its own, so the one baseline is that of all.
    """
    apart = photos.parts()
    answers = {name: left_out(x, photos, apart, fit) for name, x in by_variant.items()}
    any_of = next(iter(answers.values()))
    common = np.bincount(photos.targets[photos.targets < photos.labels]).argmax()
    clusters = Clusters(any_of.clusters, seed)
    figures = Elsewhere(
        method=apart.method,
        recipe=PROBE,
        parts=apart.number,
        variants={name: score(each, seed) for name, each in answers.items()},
        baselines={"commonest label": clusters.mean(any_of.truth == common, any_of.truth >= 0)},
    )
    return figures, answers


def test_baselines(photos: Photos, probed: NDArray[np.float32] | None, fit: Fit, seed: int) -> dict[str, Figure]:
    """Served accuracy on the test split of what anyone would try first.

    Args:
        photos: of all sides.
        probed: features by the pretrained body, where the model is no probe itself.
        fit: of the probe.
        seed: of the bootstrap.
    """
    fitted, tested = photos.take(photos.fitted), photos.take(photos.tested)
    clusters = Clusters([row.group for row in tested.rows], seed)
    targets, shown = tested.targets, tested.targets < photos.labels
    counts: dict[str, NDArray[np.intp]] = {}  # of each source's labels; "" is that of all
    for row, target in zip(fitted.rows, fitted.targets, strict=True):
        for source in {row.source, ""} if target < photos.labels else ():
            counts.setdefault(source, np.zeros(photos.labels, np.intp))[target] += 1
    guess = np.array([counts.get(row.source, counts[""]).argmax() for row in tested.rows])
    figures = {
        "commonest label": clusters.mean(targets == counts[""].argmax(), shown),
        "source's commonest label": clusters.mean(targets == guess, shown),
    }
    if probed is not None:
        x, outputs = probed[photos.fitted], len(photos.outputs)
        apart = fitted.parts().index
        inside = crossval.out_of_fold(x, fitted.targets, apart, outputs, fit.strength)
        found = Calibration.of(inside, fitted.targets, photos.labels, fit.rejected, apart)
        logits = Space(x).fitted(fitted.targets, outputs, fit.strength).logits(probed[photos.tested])
        labels = photos.outputs[: photos.labels]
        probe = answers_of(logits / found.temperature, targets, labels, found.threshold, clusters.groups)
        figures["probe"] = served_accuracy(probe, seed)
    return figures


def predictions(photos: Photos, answers: dict[VariantName, Answers]) -> list[Prediction]:
    """What promote compares two models by."""
    names = (*photos.outputs[: photos.labels], "")
    return [
        Prediction(row.sha256, row.group, row.label, name, names[answer])
        for name, each in answers.items()
        for row, answer in zip(photos.rows, each.answer, strict=True)
    ]
