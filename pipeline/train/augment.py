"""Augmentation for a hand-held camera: what a phone does to a subject between the print and the frame.

Geometry and light are fastai's own batch transforms; what a lens, a sensor and a codec do (blur, noise, compression)
is done to the single picture here.
"""

import io
import random
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from bundle.decode import to_frame
from pipeline.core import torchvision_ops  # noqa: F401  (before fastai)
from pipeline.train.settings import AugmentSettings

from fastai.vision.all import (  # isort: skip
    Brightness,
    Contrast,
    Dihedral,
    PILImage,
    RandomResizedCrop,
    RandTransform,
    Rotate,
    Saturation,
    Transform,
    Warp,
)


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
            sigma = random.uniform(2, 14)  # grey levels
            noise = np.random.normal(0, sigma, (image.height, image.width, 3))
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


def picture_transforms(settings: AugmentSettings, size: int) -> list[Any]:
    """Transforms of a single picture: any size in, ``size`` x ``size`` out."""
    return [
        ServedFrame(size),
        PartialView(size, min_scale=settings.min_scale, ratio=(3 / 4, 4 / 3)),
        CameraDegradation(settings.degrade),
    ]


def batch_transforms(settings: AugmentSettings, size: int) -> list[Any]:
    """Transforms of a batch: float [batch, 3, size, size] in 0..1 in and out; fastai samples once for all."""
    light = settings.max_light
    return [
        Dihedral(p=settings.quarter_turns, size=size, pad_mode="reflection"),
        Rotate(max_deg=settings.max_rotate, p=0.6, pad_mode="reflection"),
        Warp(magnitude=settings.max_warp, p=0.6, pad_mode="reflection"),
        Brightness(max_lighting=light, p=0.7),
        Contrast(max_lighting=light, p=0.7),
        Saturation(max_lighting=light, p=0.5),
    ]
