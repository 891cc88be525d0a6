"""What a camera does to a picture, one thing at a time, to see what the model makes of it.

Strengths are those at which a person still sees at once what it is. After ImageNet-C (Hendrycks & Dietterich 2019),
chosen for a phone in a room.
"""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter

Corruption = Callable[[Image.Image], Image.Image]


def _noise(image: Image.Image) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, 20, (image.height, image.width, 3))  # grey levels
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def _jpeg(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=12)
    return Image.open(buffer).convert("RGB")


def _small(image: Image.Image) -> Image.Image:
    """The subject takes a quarter of the frame, on a plain grey wall."""
    frame = Image.new("RGB", image.size, (128, 128, 128))
    frame.paste(image.resize((image.width // 2, image.height // 2)), (image.width // 4, image.height // 4))
    return frame


CORRUPTIONS: dict[str, Corruption] = {
    "out of focus": lambda image: image.filter(ImageFilter.GaussianBlur(2.5)),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.3),
    "overexposed": lambda image: ImageEnhance.Brightness(image).enhance(1.9),
    "sensor noise": _noise,
    "turned 90°": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "turned 180°": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "turned 270°": lambda image: image.transpose(Image.Transpose.ROTATE_270),
    "heavy JPEG": _jpeg,
    "small in the frame": _small,
}


PLAIN = "as it is"
VIEWS = (
    "out of focus",
    "sensor noise",
    "turned 90°",
)  # besides the plain one, on which variants are held together


def views(frames: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """The frames as they are and as cameras see them, by `VIEWS`: uint8 [n, size, size, 3] each."""
    return {PLAIN: frames, **{name: corrupt(frames, CORRUPTIONS[name]) for name in VIEWS}}


def corrupt(frames: NDArray[np.uint8], corruption: Corruption) -> NDArray[np.uint8]:
    """Apply ``corruption`` to each frame: uint8 [n, size, size, 3] in and out."""
    return np.stack([np.asarray(corruption(Image.fromarray(frame))) for frame in frames])
