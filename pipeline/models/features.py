"""Features: a body's last feature map averaged over its places, computed once a photo and kept by content.

A cache's file is named after what else decides a value: the body's graph, and the code and engine that compute it.
"""

import hashlib
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import bundle.decode
from pipeline.core import files
from pipeline.data import frames
from pipeline.models import graph
from pipeline.models.backbones import BACKBONES

AT_ONCE = 64  # frames in memory


@dataclass(frozen=True)
class Photo:
    """A photo's file and the sha256 of its bytes, by which its features are kept."""

    path: Path
    sha256: str


Progress = Callable[[int, int], None]  # hears how many photos are done, and of how many


def of(photos: Sequence[Photo], backbone: str, size: int, *, progress: Progress | None = None) -> NDArray[np.float32]:
    """Features of ``photos`` by the pretrained ``backbone`` at ``size`` pixels a side; see `by`.

    Raises:
        DataError: a photo is missing or damaged. WeightsError: the weights can't be had.
    """
    if not photos:
        return np.empty((0, BACKBONES[backbone].features), np.float32)
    return by(graph.pretrained(backbone, size), photos, size, progress=progress)


def by(body: bytes, photos: Sequence[Photo], size: int, *, progress: Progress | None = None) -> NDArray[np.float32]:
    """Features of ``photos``, each decoded and cropped as the service does, by a ``body``: float32 [photos, features].

    Raises:
        DataError: a photo is missing or damaged.
    """
    code = b"".join(Path(str(module)).read_bytes() for module in (bundle.decode.__file__, frames.__file__, __file__))
    packages = " ".join(version(package) for package in ("openvino", "pillow"))
    cache = graph.FOLDER / f"{hashlib.sha256(body + code + packages.encode()).hexdigest()[:16]}.npz"
    kept = _read(cache)
    missing = list({photo.sha256: photo for photo in photos if photo.sha256 not in kept}.values())
    for start in range(0, len(missing), AT_ONCE):
        some = missing[start : start + AT_ONCE]
        pixels = frames.served_frames([photo.path for photo in some], size)
        (maps,) = graph.infer(body, [graph.FEATURES], pixels)
        kept |= zip((photo.sha256 for photo in some), maps.mean((2, 3)), strict=True)
        if progress:
            progress(len(photos) - len(missing) + start + len(some), len(photos))
    if missing:
        files.write_npz(cache, {"sha256": np.array(list(kept)), "features": np.stack(list(kept.values()))})
    return np.stack([kept[photo.sha256] for photo in photos])


def _read(cache: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with cache.open("rb") as file, np.load(file) as kept:
            return dict(zip(kept["sha256"].tolist(), kept["features"], strict=True))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}  # not there yet, or damaged: it is computed anew
