"""Recipes compared by leaving sources out of the whole training, three seeds each.

Sources are put together to four parts, as a fine-tuning takes minutes; the photos are those of training and validation,
so that the test split chooses nothing. Each training is kept in build/compare/, so that a run that was interrupted goes
on where it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core import config, files
from pipeline.metrics.calibration import Calibration
from pipeline.metrics.scores import auroc
from pipeline.models import crossval, features, graph
from pipeline.models.head import Floats
from pipeline.models.photos import Photos
from pipeline.models.settings import ModelSettings
from pipeline.train.finetune import finetune
from pipeline.train.recipe import probe
from pipeline.train.settings import AugmentSettings, TrainSettings

FOLDER = Path("build/compare")
PARTS = 4
SEEDS = (20, 21, 22)
EPOCHS = (2, 8)
AVERAGING = (0.3, 0.6, 1.0)
REJECTED = 0.05


@dataclass(frozen=True)
class Line:
    """A recipe's figures from elsewhere: each a mean over the seeds with its least and greatest, shares in 0..1."""

    recipe: str
    closed_set: tuple[float, float, float]
    served: tuple[float, float, float]
    auroc: tuple[float, float, float]
    rejected_at_90_caught: tuple[float, float, float]


def compare(photos: Photos) -> Iterator[Line]:
    """Figures of each recipe, the probe first; ``photos`` are those of training and validation."""
    model, augment = config.load("model", ModelSettings), config.load("augment", AugmentSettings)
    settings = config.load("train", TrainSettings)
    folds = photos.parts().coarse(PARTS).index
    x = features.of(photos.files(), model.backbone, model.size)
    for strength in crossval.STRENGTHS:
        logits = crossval.out_of_fold(x, photos.targets, folds, len(photos.outputs), strength)
        yield _line(f"probe, strength {strength:g}", [logits], photos, folds)
    for epochs in EPOCHS:
        tuned = {share: [] for share in AVERAGING}  # type: dict[float, list[Floats]]
        for seed in SEEDS:
            changed = settings.model_copy(update={"recipe": "finetune", "epochs": epochs, "seed": seed})
            for share, logits in _left_out(photos, x, folds, model, changed, augment).items():
                tuned[share].append(logits)
        for share, runs in tuned.items():
            yield _line(f"{epochs} epochs, averaged {share:g}, head refitted", runs, photos, folds)


def _left_out(
    photos: Photos,
    x: NDArray[np.float32],
    folds: NDArray[np.intp],
    model: ModelSettings,
    settings: TrainSettings,
    augment: AugmentSettings,
) -> dict[float, Floats]:
    """Logits of every photo by a network that was fine-tuned and refitted without its part, for each averaging."""
    found = {share: np.zeros((len(folds), len(photos.outputs))) for share in AVERAGING}
    for fold in np.unique(folds):
        teaching = folds != fold
        kept = FOLDER / f"{model.backbone}-{settings.epochs}-{settings.seed}-{fold}.npz"
        if not kept.exists():
            head = probe(x[teaching], photos.take(teaching)).head
            report = partial(_say, kept.stem)
            at = finetune(photos, teaching, model, settings, augment, head, report=report)
            bodies = {share: graph.export_body(at(share), model.body(), model.size) for share in AVERAGING}
            frames = photos.frames(model.size)
            seen = {s: graph.infer(body, [graph.FEATURES], frames)[0].mean((2, 3)) for s, body in bodies.items()}
            FOLDER.mkdir(parents=True, exist_ok=True)
            files.write_npz(kept, {str(share): each for share, each in seen.items()})
        with np.load(kept) as features_of:
            for share in AVERAGING:
                z = features_of[str(share)]
                found[share][~teaching] = probe(z[teaching], photos.take(teaching)).head.logits(z[~teaching])
    return found


def _say(training: str, epoch: dict[str, float]) -> None:
    print(training, *(f"{name} {value:.4f}" for name, value in epoch.items()), flush=True)


def _line(recipe: str, runs: list[Floats], photos: Photos, folds: NDArray[np.intp]) -> Line:
    figures = np.array([_figures(logits, photos, folds) for logits in runs])
    spread = [(float(c.mean()), float(c.min()), float(c.max())) for c in figures.T]
    return Line(recipe, *spread)


def _figures(logits: Floats, photos: Photos, folds: NDArray[np.intp]) -> list[float]:
    """Closed-set accuracy, served accuracy, AUROC, and label photos rejected where 90 % of the others are."""
    targets, shown = photos.targets, photos.targets < photos.labels
    scores, threshold = np.zeros(len(targets)), np.zeros(len(targets))
    for fold in np.unique(folds):
        out = folds == fold
        found = Calibration.of(logits[~out], targets[~out], photos.labels, REJECTED)
        scores[out], threshold[out] = found.id_scores(logits[out], photos.labels), found.threshold
    right = logits[:, : photos.labels].argmax(1) == targets
    caught = np.quantile(scores[~shown], 0.9)
    return [
        float(right[shown].mean()),
        float((right & (scores >= threshold))[shown].mean()),
        auroc(shown, scores),
        float((scores[shown] < caught).mean()),
    ]
