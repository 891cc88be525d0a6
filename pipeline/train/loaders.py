"""Batches of photos for fine-tuning, with what a hand-held camera does to a subject between the print and the frame.

Geometry and light are fastai's own transforms; what a lens, a sensor and a codec do (blur, noise, compression) is done
to the single picture here.
"""

import io
import random
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from bundle.decode import to_frame
from pipeline.core import torchvision_ops  # noqa: F401  (before fastai)
from pipeline.data.frames import read_photo
from pipeline.data.split import SplitRow
from pipeline.models.photos import Photos
from pipeline.models.settings import ModelSettings
from pipeline.train.settings import AugmentSettings, TrainSettings

from fastai.vision.all import (  # isort: skip
    Brightness,
    Categorize,
    Contrast,
    DataLoaders,
    Datasets,
    Dihedral,
    IntToFloatTensor,
    Normalize,
    PILImage,
    RandomResizedCrop,
    RandTransform,
    Rotate,
    Saturation,
    ToTensor,
    Transform,
    Warp,
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


class CameraDegradation(RandTransform):  # type: ignore[misc]
    """Blur, sensor noise and JPEG compression, each with probability ``p``; RGB picture in, same size out."""

    split_idx, order = 0, 20  # training only, after the crop

    def __init__(self, p: float) -> None:
        super().__init__(p=1.0)
        self.each = p

    def encodes(self, picture: PILImage) -> PILImage:
        image: Image.Image = picture
        if random.random() < self.each:
            image = image.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 3.0)))
        if random.random() < self.each:
            noise = np.random.normal(0, random.uniform(2, 14), (image.height, image.width, 3))  # grey levels
            image = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
        if random.random() < self.each:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=random.randint(10, 90))
            image = Image.open(buffer).convert("RGB")
        return PILImage(image)


class PartialView(RandomResizedCrop):  # type: ignore[misc]
    """fastai's random crop, kept from touching the frames of validation."""

    split_idx = 0


class ServedFrame(Transform):  # type: ignore[misc]
    """The crop and resize of serving, for every picture that is not trained on."""

    split_idx, order = 1, 1

    def __init__(self, size: int) -> None:
        self.size = size

    def encodes(self, picture: PILImage) -> PILImage:
        return PILImage(Image.fromarray(to_frame(picture, self.size)))


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
    size, light, (mean, std) = model.size, augment.max_light, model.body().stats
    target = [lambda row: row.label, Categorize(vocab=list(photos.outputs), sort=False)]
    sets = Datasets(used, [[OpenPicture(photos.folder, min_side=round(size * 1.5))], target], splits=splits)
    return sets.dataloaders(
        bs=min(settings.batch_size, len(splits[0])),
        val_bs=16,  # in one go with 64 the activations would outweigh those of training
        after_item=[
            ServedFrame(size),
            PartialView(size, min_scale=augment.min_scale, ratio=(3 / 4, 4 / 3)),
            CameraDegradation(augment.degrade),
            ToTensor(),
        ],
        after_batch=[
            IntToFloatTensor(),
            Dihedral(p=augment.quarter_turns, size=size, pad_mode="reflection"),
            Rotate(max_deg=augment.max_rotate, p=0.6, pad_mode="reflection"),
            Warp(magnitude=augment.max_warp, p=0.6, pad_mode="reflection"),
            Brightness(max_lighting=light, p=0.7),
            Contrast(max_lighting=light, p=0.7),
            Saturation(max_lighting=light, p=0.5),
            Normalize.from_stats(mean, std, cuda=device.type == "cuda"),
        ],
        num_workers=0,
        device=device,
    )
