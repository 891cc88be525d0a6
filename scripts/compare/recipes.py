"""Recipes compared by leaving sources out of the whole training, three seeds each.

Sources are put together to four parts, as a fine-tuning takes minutes; the photos are those of training and validation,
so that the test split chooses nothing. Each training is kept in build/compare/, so that a run that was interrupted goes
on where it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core import config, files
from pipeline.metrics.calibration import choose_threshold, fit_temperature, id_scores
from pipeline.metrics.scores import auroc
from pipeline.models import crossval, features
from pipeline.models.head import Floats, Space
from pipeline.models.network import averaged, head_of, network
from pipeline.models.photos import Photos
from pipeline.models.settings import ModelSettings
from pipeline.train.finetune import finetune
from pipeline.train.processes import Processes
from pipeline.train.settings import AugmentSettings, TrainSettings

FOLDER = Path("build/compare")
PARTS = 4
SEEDS = (20, 21, 22)
EPOCHS = (2,)
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
        kept = FOLDER / f"{model.backbone}-{settings.epochs}-{settings.seed}-{fold}.npz"
        if not kept.exists():
            _train(photos, x, folds != fold, model, settings, augment, kept)
        with np.load(kept) as features_of:
            for share in AVERAGING:
                z = features_of[str(share)]
                space = Space(z[folds != fold])
                targets = photos.targets[folds != fold]
                inner = photos.take(folds != fold)
                strength, _ = crossval.choose_strength(space, targets, inner.parts(), len(photos.outputs))
                everything = np.ones(len(targets), bool)
                head = space.head(*space.fit(everything, targets, len(photos.outputs), strength))
                found[share][folds == fold] = head.logits(z[folds == fold])
    return found


def _train(
    photos: Photos,
    x: NDArray[np.float32],
    teaching: NDArray[np.bool_],
    model: ModelSettings,
    settings: TrainSettings,
    augment: AugmentSettings,
    kept: Path,
) -> None:
    """Fine-tune without the photos that don't teach, and keep the features of all by each average of the weights."""
    backbone, outputs = model.body(), len(photos.outputs)
    space, targets = Space(x[teaching]), photos.targets[teaching]
    strength, _ = crossval.choose_strength(space, targets, photos.take(teaching).parts(), outputs)
    head = space.head(*space.fit(np.ones(len(targets), bool), targets, outputs, strength))
    net = network(backbone, outputs, pretrained=True, dropout=settings.dropout, head=head)
    before = {name: value.clone() for name, value in net[0].state_dict().items()}
    finetune(
        net,
        photos,
        teaching,
        model,
        settings,
        augment,
        report=lambda epoch: print(f"{kept.stem}: epoch {epoch.number}/{epoch.of}, {epoch.seconds:.0f} s", flush=True),
        processes=Processes(),
    )
    net.cpu().eval()
    assert head_of(net).weights.shape == head.weights.shape
    after = {name: value.clone() for name, value in net[0].state_dict().items()}
    frames = photos.frames(model.size)
    arrays = {}
    for share in AVERAGING:
        net[0].load_state_dict(averaged(after, before, share))
        arrays[str(share)] = features.embed(net[0], backbone, frames)
    FOLDER.mkdir(parents=True, exist_ok=True)
    files.write_npz(kept, arrays)


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
        temperature = fit_temperature(logits[~out], targets[~out], crossval.TEMPERATURES)
        scores[out] = id_scores(logits[out] / temperature, photos.labels)
        inside = id_scores(logits[~out] / temperature, photos.labels)[targets[~out] < photos.labels]
        threshold[out] = choose_threshold(inside, REJECTED)
    right = logits[:, : photos.labels].argmax(1) == targets
    caught = np.quantile(scores[~shown], 0.9)
    return [
        float(right[shown].mean()),
        float((right & (scores >= threshold))[shown].mean()),
        auroc(shown, scores),
        float((scores[shown] < caught).mean()),
    ]
