"""Served accuracy from elsewhere: every photo answered by a head that was fitted without its source."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle import VariantName
from pipeline.metrics.calibration import choose_threshold, fit_temperature, id_scores
from pipeline.metrics.intervals import Clusters
from pipeline.metrics.predictions import Prediction
from pipeline.metrics.schema import Elsewhere, Figure
from pipeline.metrics.scores import Answers, answers_of, score, served_accuracy
from pipeline.models import crossval, features
from pipeline.models.crossval import Parts
from pipeline.models.head import Space
from pipeline.models.learner import PROBE
from pipeline.models.photos import Photos


@dataclass(frozen=True)
class Fit:
    """How a head is fitted and calibrated: see `pipeline.models.head` and `conf/export/`."""

    strength: float
    rejected: float


def left_out(space: Space, photos: Photos, apart: Parts, fit: Fit) -> Answers:
    """The answer of each photo by a head without its part, at temperature and threshold of the other parts' answers."""
    targets = photos.targets
    logits = crossval.out_of_fold(space, targets, apart.index, len(photos.outputs), fit.strength)
    temperature, threshold = np.ones(len(targets)), np.zeros(len(targets))
    for part in range(apart.number):
        out = apart.index == part
        others, kept = logits[~out], targets[~out]
        if len(kept):
            temperature[out] = fit_temperature(others, kept, crossval.TEMPERATURES)
            scores = id_scores(others / temperature[out][0], photos.labels)
            threshold[out] = choose_threshold(scores[kept < photos.labels], fit.rejected)
    clusters = [str(part) for part in apart.index]
    if apart.method == "grouped-k-fold":  # folds are drawn, not found: what hangs together are the groups
        clusters = [row.group for row in photos.rows]
    return answers_of(logits / temperature[:, None], targets, photos.outputs[: photos.labels], threshold, clusters)


def measure(
    photos: Photos,
    by_variant: dict[VariantName, NDArray[np.float32]],
    backbone: str,
    size: int,
    recipe: str,
    fit: Fit,
    seed: int,
) -> tuple[Elsewhere, dict[VariantName, Answers]]:
    """The figures of each variant, and its answers.

    A fine-tuned body has seen the photos of every source, so a head on its features is no stranger to any. Then this is
    what the probe gets on the pretrained features; `make compare` leaves sources out of the whole recipe.
    """
    if recipe != PROBE:
        x = features.of(photos.files(), backbone, size)
        by_variant = dict.fromkeys(by_variant, x)
    apart = photos.parts()
    answers = {name: left_out(Space(x), photos, apart, fit) for name, x in by_variant.items()}
    figures = Elsewhere(
        method=apart.method,
        recipe=PROBE,
        parts=apart.number,
        variants={name: score(each, seed) for name, each in answers.items()},
        baselines={"commonest label": _commonest(photos, answers, seed)},
    )
    return figures, answers


def _commonest(photos: Photos, answers: dict[VariantName, Answers], seed: int) -> Figure:
    """Always the label that has the most photos; a source that was left out has no commonest label of its own."""
    any_of = next(iter(answers.values()))
    label = np.bincount(photos.targets[photos.targets < photos.labels]).argmax()
    return Clusters(any_of.clusters, seed).mean(any_of.truth == label, any_of.truth >= 0)


def test_baselines(photos: Photos, backbone: str, size: int, recipe: str, fit: Fit, seed: int) -> dict[str, Figure]:
    """Served accuracy on the test split of what anyone would try first."""
    fitted, tested = photos.take(photos.fitted), photos.take(photos.tested)
    clusters = Clusters([row.group for row in tested.rows], seed)
    targets, shown = tested.targets, tested.targets < photos.labels
    common = np.bincount(fitted.targets[fitted.targets < photos.labels], minlength=photos.labels)
    by_source = np.zeros((len(tested.rows), photos.labels), int)
    for row, target in zip(fitted.rows, fitted.targets, strict=True):
        if target < photos.labels and row.source:
            by_source[[i for i, other in enumerate(tested.rows) if other.source == row.source], target] += 1
    guess = np.where(by_source.any(1), by_source.argmax(1), common.argmax())
    figures = {
        "commonest label": clusters.mean(targets == common.argmax(), shown),
        "source's commonest label": clusters.mean(targets == guess, shown),
    }
    if recipe != PROBE:
        x = features.of(photos.files(), backbone, size)
        apart = fitted.parts()
        space = Space(x[photos.fitted])
        inside = left_out(space, fitted, apart, fit)
        head = space.head(
            *space.fit(np.ones(len(fitted.rows), bool), fitted.targets, len(photos.outputs), fit.strength)
        )
        threshold = choose_threshold(inside.id_score[inside.truth >= 0], fit.rejected)
        probe = answers_of(
            head.logits(x[photos.tested]),
            targets,
            photos.outputs[: photos.labels],
            threshold,
            clusters.groups,
        )
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
