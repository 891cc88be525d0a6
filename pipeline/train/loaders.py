"""Batches of photos for fine-tuning, as fastai reads them."""

from collections import Counter
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.core import torchvision_ops  # noqa: F401  (before fastai)
from pipeline.data.frames import read_photo
from pipeline.data.split import SplitRow
from pipeline.models.photos import Photos
from pipeline.models.settings import ModelSettings
from pipeline.train.augment import batch_transforms, picture_transforms
from pipeline.train.settings import AugmentSettings, TrainSettings

from fastai.vision.all import (  # isort: skip
    Categorize,
    DataLoaders,
    Datasets,
    IntToFloatTensor,
    Normalize,
    PILImage,
    ToTensor,
    Transform,
)


class OpenPicture(Transform):  # type: ignore[misc]
    """Row -> RGB picture, decoded as the service decodes it; kept, so that an epoch decodes nothing."""

    def __init__(self, folder: Path, min_side: int) -> None:
        self.folder, self.min_side = folder, min_side
        self.pictures: dict[str, PILImage] = {}

    def encodes(self, row: SplitRow) -> PILImage:
        if row.file not in self.pictures:
            image = read_photo(self.folder / row.file, self.min_side)
            excess = min(image.size) / self.min_side
            if excess > 1:  # what is kept in memory is bounded by the frame's size, not by the camera's
                image = image.resize((round(image.width / excess), round(image.height / excess)), reducing_gap=2.0)
            self.pictures[row.file] = PILImage(image)
        return self.pictures[row.file]


def shown_in_an_epoch(photos: Photos, teaching: NDArray[np.bool_], least: int) -> list[SplitRow]:
    """The rows of ``teaching`` [n], small classes repeated (each time augmented anew): what one epoch shows.

    Each class is shown about a third as often as the largest at least, and all of them ``least`` times together:
    eight photos a label would else be a step an epoch, drowned by the pictures of none of them.
    """
    rows = photos.take(teaching).rows
    count = Counter(row.label for row in rows)
    wanted = max(max(count.values()) / 3, least / len(count))
    return [row for row in rows for _ in range(max(1, round(wanted / count[row.label])))]


def class_weights(photos: Photos, teaching: NDArray[np.bool_], least: int) -> torch.Tensor:
    """Weights that give every output the same say in the loss, however often an epoch shows it: float [outputs]."""
    count = Counter(row.label for row in shown_in_an_epoch(photos, teaching, least))
    weights = torch.tensor([1 / count[name] if count[name] else 0.0 for name in photos.outputs])
    return weights / weights.mean()


def dataloaders(
    photos: Photos,
    teaching: NDArray[np.bool_],
    model: ModelSettings,
    settings: TrainSettings,
    augment: AugmentSettings,
    device: torch.device,
) -> DataLoaders:
    """Loaders of training and validation batches: float [batch, 3, size, size], normalised, and int [batch].

    Pictures are loaded in this process: the work of a worker is small beside a training step on a CPU, and the
    number of workers would change the order of random numbers, so the weights.
    """
    shown = shown_in_an_epoch(photos, teaching, settings.epoch_pictures)
    used = shown + list(photos.take(~teaching).rows)
    splits = [list(range(len(shown))), list(range(len(shown), len(used)))]
    size, (mean, std) = model.size, model.body().stats
    sets = Datasets(
        used,
        [
            [OpenPicture(photos.folder, min_side=round(size * 1.5))],
            [lambda row: row.label, Categorize(vocab=list(photos.outputs), sort=False)],
        ],
        splits=splits,
    )
    return sets.dataloaders(
        bs=min(settings.batch_size, len(splits[0])),
        val_bs=16,  # in one go with 64 the activations would outweigh those of training
        after_item=[*picture_transforms(augment, size), ToTensor()],
        after_batch=[
            IntToFloatTensor(),
            *batch_transforms(augment, size),
            Normalize.from_stats(mean, std, cuda=device.type == "cuda"),
        ],
        num_workers=0,
        device=device,
    )
