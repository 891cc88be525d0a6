"""Features: a backbone's last feature map averaged over its places, computed once a photo and kept by content.

The cache holds what the pretrained backbones see, so that one new photo costs one pass through the network. Its file
is named after everything else that decides a value: backbone, size, and the code and packages that compute it.
"""

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import bundle.decode
from pipeline.core import files
from pipeline.data import frames
from pipeline.data.frames import served_frames
from pipeline.models.backbones import BACKBONES, Backbone

FOLDER = Path("build/features")
# Frames a pass. Always as many, the last pass filled up: with another number the sums may be rounded otherwise, and a
# photo's features would depend on its neighbours.
BATCH = 16


@dataclass(frozen=True)
class Photo:
    """A photo's file and the sha256 of its bytes, by which its features are kept."""

    path: Path
    sha256: str


def of(
    photos: Sequence[Photo],
    backbone: str,
    size: int,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Features of ``photos`` by the pretrained ``backbone``: float32 [photos, features].

    Args:
        photos: each is decoded and cropped as the service does.
        backbone: a name of `BACKBONES`.
        size: pixels a side of the frame.
        progress: hears how many photos are done, and of how many.

    Raises:
        DataError: a photo is missing or damaged. WeightsError: the weights can't be had.
    """
    cache = FOLDER / f"{backbone}-{size}-{_recipe()}.npz"
    kept = _read(cache)
    missing = list({photo.sha256: photo for photo in photos if photo.sha256 not in kept}.values())
    if missing:
        body = BACKBONES[backbone].body(True).eval()
        for start in range(0, len(missing), BATCH):
            some = missing[start : start + BATCH]
            pixels = served_frames([photo.path for photo in some], size)
            kept |= zip((photo.sha256 for photo in some), embed(body, BACKBONES[backbone], pixels), strict=True)
            if progress:
                progress(len(photos) - len(missing) + start + len(some), len(photos))
        _write(cache, kept)
    width = BACKBONES[backbone].features
    return np.stack([kept[photo.sha256] for photo in photos]) if photos else np.empty((0, width), np.float32)


def embed(body: nn.Module, backbone: Backbone, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Features of frames uint8 [n, size, size, 3] by ``body`` in evaluation mode: float32 [n, features]."""
    return np.concatenate(list(_passes(body, backbone, pixels)))[: len(pixels)]


def _passes(body: nn.Module, backbone: Backbone, pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in backbone.stats)
    body.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.inference_mode():
        for start in range(0, len(pixels), BATCH):
            some = torch.from_numpy(pixels[start : start + BATCH])
            filled = torch.cat([some, some.new_zeros(BATCH - len(some), *some.shape[1:])])
            normalised = (filled.permute(0, 3, 1, 2).float() / 255 - mean) / std
            yield body(normalised.contiguous(memory_format=torch.channels_last)).mean((2, 3)).numpy()


@lru_cache
def _recipe() -> str:
    """Digits that change with what decides a photo's features besides photo, backbone and size."""
    digest = hashlib.sha256()
    for module in (bundle.decode.__file__, frames.__file__, __file__):
        digest.update(Path(module).read_bytes())
    digest.update(" ".join(version(package) for package in ("torch", "timm", "pillow")).encode())
    return digest.hexdigest()[:12]


def _read(cache: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with cache.open("rb") as file, np.load(file) as kept:
            return dict(zip(kept["sha256"].tolist(), kept["features"], strict=True))
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        zipfile.BadZipFile,
    ):
        return {}  # not there yet, or damaged: it is computed anew


def _write(cache: Path, kept: dict[str, NDArray[np.float32]]) -> None:
    files.write_npz(cache, {"sha256": np.array(list(kept)), "features": np.stack(list(kept.values()))})
