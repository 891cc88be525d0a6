"""How a model is trained: a probe, and where it is asked for a fine-tuning that starts from it and a refit of the head.

LP-FT (Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features"): a head that is random when fine-tuning begins
sends noise through the pretrained body; one that was fitted to convergence doesn't. WiSE-FT (Wortsman et al. 2022): the
average of the fine-tuned and the pretrained weights keeps what the pretrained ones know of pictures from elsewhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pipeline.models import crossval, features
from pipeline.models.head import Space
from pipeline.models.network import averaged, network, set_head
from pipeline.models.photos import Photos
from pipeline.models.settings import ModelSettings
from pipeline.train.processes import Processes
from pipeline.train.settings import AugmentSettings, TrainSettings

if TYPE_CHECKING:  # augmentation and fine-tuning load fastai, which takes longer than a probe
    from pipeline.train.finetune import Epoch


@dataclass(frozen=True)
class Trained:
    """A trained network on the CPU, the strength of its head's fit, and the loss of each strength that was tried."""

    model: nn.Sequential
    strength: float
    losses: dict[float, float]


def train(
    photos: Photos,
    teaching: NDArray[np.bool_],
    model: ModelSettings,
    settings: TrainSettings,
    augment: AugmentSettings,
    *,
    report: Callable[["Epoch"], None] = lambda _: None,
    progress: Callable[[int, int], None] | None = None,
    processes: Processes | None = None,
    callbacks: Sequence[Any] = (),
) -> Trained:
    """Train as ``settings`` say.

    Args:
        photos: what the head is fitted on.
        teaching: which of them [n] the body learns from, where it learns; the others choose nothing but are watched.
        model: backbone and size.
        settings: recipe and its values.
        augment: what fine-tuning does to a picture.
        report: hears of each epoch.
        progress: hears how many photos have features, and of how many.
        processes: those that train together.
        callbacks: fastai's, for the fine-tuning.

    Raises:
        PipelineError: a photo or weights can't be had, or the loss stopped being a number.
    """
    backbone, outputs, targets = model.body(), len(photos.outputs), photos.targets
    apart = photos.parts()
    if settings.recipe != "scratch":
        x = features.of(photos.files(), model.backbone, model.size, progress=progress)
        space = Space(x)
        strength, losses = crossval.choose_strength(space, targets, apart, outputs)
        head = space.head(*space.fit(np.ones(len(targets), bool), targets, outputs, strength))
        if settings.recipe == "probe":
            return Trained(network(backbone, outputs, pretrained=True, head=head), strength, losses)
        known = Space(x[teaching])
        head = known.head(*known.fit(np.ones(int(teaching.sum()), bool), targets[teaching], outputs, strength))
        tuned = network(backbone, outputs, pretrained=True, dropout=settings.dropout, head=head)
        before = {name: value.clone() for name, value in tuned[0].state_dict().items()}
    else:
        tuned = network(backbone, outputs, pretrained=False, dropout=settings.dropout)
        before = None

    from pipeline.train.finetune import finetune

    finetune(
        tuned, photos, teaching, model, settings, augment,
        report=report, processes=processes or Processes(), callbacks=callbacks,
    )  # fmt: skip
    tuned.cpu().eval()
    if before is not None:
        tuned[0].load_state_dict(averaged(tuned[0].state_dict(), before, settings.averaging))
    space = Space(features.embed(tuned[0], backbone, photos.frames(model.size)))
    strength, losses = crossval.choose_strength(space, targets, apart, outputs)
    set_head(tuned, space.head(*space.fit(np.ones(len(targets), bool), targets, outputs, strength)))
    return Trained(tuned, strength, losses)
