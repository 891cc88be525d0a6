"""How a model is trained: a probe, and where it is asked for a fine-tuning that starts from it and a refit of the head.

LP-FT (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features"): a head that is random when fine-tuning begins
sends noise through the pretrained body; one that was fitted to convergence doesn't. WiSE-FT (Wortsman et al. 2022): the
average of the fine-tuned and the pretrained weights keeps what the pretrained ones know of pictures from elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.models import crossval, features, graph
from pipeline.models.head import Head, Space
from pipeline.models.photos import Photos
from pipeline.models.settings import ModelSettings
from pipeline.train.settings import AugmentSettings, TrainSettings


@dataclass(frozen=True)
class Probe:
    """A head, the strength of its fit, and the loss of each strength that was tried."""

    head: Head
    strength: float
    losses: dict[float, float]


def probe(x: NDArray[np.float32], photos: Photos) -> Probe:
    """Fit a head on the features ``x`` [n, features] of ``photos`` with the strength that cross-validation chooses."""
    space, targets, outputs = Space(x), photos.targets, len(photos.outputs)
    strength, losses = crossval.choose_strength(space, targets, photos.parts(), outputs)
    return Probe(space.fitted(targets, outputs, strength), strength, losses)


def train(
    photos: Photos,
    teaching: NDArray[np.bool_],
    model: ModelSettings,
    settings: TrainSettings,
    augment: AugmentSettings,
    *,
    report: Callable[[dict[str, float]], None] = lambda _: None,
    progress: features.Progress | None = None,
) -> tuple[bytes, Probe]:
    """Train as ``settings`` say; returns the body as a graph (see `pipeline.models.graph`) and the head on it.

    Args:
        photos: what the head is fitted on.
        teaching: which of them [n] the body learns from, where it learns; the others choose nothing but are watched.
        model: backbone and size.
        settings: recipe and its values.
        augment: what fine-tuning does to a picture.
        report: hears of each epoch.
        progress: hears how many photos have features, and of how many.

    Raises:
        PipelineError: a photo or weights can't be had, or the loss stopped being a number.
    """
    head = None
    if settings.recipe != "scratch":
        x = features.of(photos.files(), model.backbone, model.size, progress=progress)
        found = probe(x, photos)
        if settings.recipe == "probe":
            return graph.pretrained(model.backbone, model.size), found
        head = Space(x[teaching]).fitted(photos.targets[teaching], len(photos.outputs), found.strength)

    from pipeline.train.finetune import finetune  # loads torch and fastai, which takes longer than a probe

    after = finetune(photos, teaching, model, settings, augment, head, report=report)
    body = graph.export_body(after(settings.averaging), model.body(), model.size)
    return body, probe(features.by(body, photos.files(), model.size), photos)
