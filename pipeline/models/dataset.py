"""The split, clean set of pictures as fastai reads it."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bundle.decode import open_rgb, to_frame
from bundle.errors import PictureError
from pipeline.core import torchvision_ops  # noqa: F401  (before fastai)
from pipeline.core.errors import DataError
from pipeline.data.heif import FORMATS
from pipeline.data.split import SplitRow
from pipeline.models.augment import AugmentSettings, batch_transforms, picture_transforms
from pipeline.models.backbones import Backbone

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


@dataclass(frozen=True)
class Classes:
    """What the network tells apart.

    Attributes:
        labels: the labels, sorted; what the model may answer.
        none_label: the folder of pictures of none of them, if there are any: one more output of the network, which
            takes probability away from the labels (outlier exposure) and is never an answer of its own.
    """

    labels: tuple[str, ...]
    none_label: str | None

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the network's logits, in order."""
        return self.labels if self.none_label is None else (*self.labels, self.none_label)

    @classmethod
    def of(cls, rows: Sequence[SplitRow], none_label: str) -> "Classes":
        """The classes that the training rows hold."""
        found = {row.label for row in rows if row.split == "train"}
        return cls(tuple(sorted(found - {none_label})), none_label if none_label in found else None)


class OpenPicture(Transform):  # type: ignore[misc]
    """Row -> RGB picture, decoded as the service decodes it; kept, so that an epoch decodes nothing."""

    def __init__(self, folder: Path, min_side: int) -> None:
        self.folder, self.min_side = folder, min_side
        self.pictures: dict[str, PILImage] = {}

    def encodes(self, row: SplitRow) -> PILImage:
        if row.file not in self.pictures:
            image = read_picture(self.folder / row.file, self.min_side)
            excess = min(image.size) / self.min_side
            if excess > 1:  # what is kept in memory is bounded by the frame's size, not by the camera's
                image = image.resize(
                    (round(image.width / excess), round(image.height / excess)), reducing_gap=2.0
                )
            self.pictures[row.file] = PILImage(image)
        return self.pictures[row.file]


def read_picture(path: Path, min_side: int) -> Image.Image:
    """Decode ``path`` to RGB as the service does, see `bundle.decode.open_rgb`.

    Raises:
        DataError: the file is missing or no picture.
    """
    try:
        return open_rgb(path.read_bytes(), min_side=min_side, formats=FORMATS)
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}); run `dvc repro` again") from error
    except PictureError as error:
        raise DataError(f"{path}: {error}") from error


def served_frames(rows: Sequence[SplitRow], folder: Path, size: int) -> NDArray[np.uint8]:
    """The pictures of ``rows`` as the service sees them: uint8 [rows, size, size, 3]."""
    frames = [to_frame(read_picture(folder / row.file, size), size) for row in rows]
    return np.stack(frames) if frames else np.empty((0, size, size, 3), np.uint8)


def camera_views(
    rows: Sequence[SplitRow], folder: Path, size: int, augment: AugmentSettings, views: int, seed: int
) -> NDArray[np.uint8]:
    """The pictures of ``rows`` as ``views`` hand-held cameras see them: uint8 [views * rows, size, size, 3].

    View by view. The augmentation of training, on pictures that nothing was trained on: a few dozen validation
    pictures as they are would be answered nearly without fault, and say nothing about where the doubt begins.
    """
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    sets = Datasets(list(rows), [[OpenPicture(folder, min_side=round(size * 1.5))]])
    loader = sets.dataloaders(
        bs=64,
        shuffle=False,
        drop_last=False,
        after_item=[*picture_transforms(augment, size), ToTensor()],
        after_batch=[IntToFloatTensor(), *batch_transforms(augment, size)],
        num_workers=0,
        device=torch.device("cpu"),
    ).train
    batches = [batch.as_subclass(torch.Tensor) for _ in range(views) for (batch,) in loader]
    pixels = (torch.cat(batches).clamp(0, 1) * 255).round().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous().numpy()


def class_weights(shown: Sequence[SplitRow], classes: Classes) -> torch.Tensor:
    """Weights that give every output the same say in the loss, however often an epoch shows it: float [outputs]."""
    count = Counter(row.label for row in shown)
    weights = torch.tensor([1 / count[name] for name in classes.outputs])
    return weights / weights.mean()


def shown_in_an_epoch(rows: Sequence[SplitRow], classes: Classes, least: int) -> list[SplitRow]:
    """The training rows, small classes repeated (each time augmented anew): what one epoch shows.

    Each class is shown about a third as often as the largest at least, and all of them ``least`` times together:
    eight photos a label would else be a step an epoch, drowned by the pictures of none of them.
    """
    train = [row for row in rows if row.split == "train" and row.label in classes.outputs]
    count = Counter(row.label for row in train)
    wanted = max(max(count.values()) / 3, least / len(count))
    return [row for row in train for _ in range(max(1, round(wanted / count[row.label])))]


def dataloaders(
    rows: Sequence[SplitRow],
    classes: Classes,
    folder: Path,
    *,
    size: int,
    batch_size: int,
    epoch_pictures: int,
    augment: AugmentSettings,
    backbone: Backbone,
    device: torch.device,
) -> DataLoaders:
    """Loaders of training and validation batches: float [batch, 3, size, size], normalised, and int [batch].

    Pictures are loaded in this process: the work of a worker is small beside a training step on a CPU, and the
    number of workers would change the order of random numbers, so the weights.
    """
    valid = [row for row in rows if row.split == "valid" and row.label in classes.outputs]
    used = shown_in_an_epoch(rows, classes, epoch_pictures) + valid
    splits = [list(range(len(used) - len(valid))), list(range(len(used) - len(valid), len(used)))]
    sets = Datasets(
        used,
        [
            [OpenPicture(folder, min_side=round(size * 1.5))],
            [lambda row: row.label, Categorize(vocab=list(classes.outputs), sort=False)],
        ],
        splits=splits,
    )
    mean, std = backbone.stats
    return sets.dataloaders(
        bs=min(batch_size, len(splits[0])),
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
