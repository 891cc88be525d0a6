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
    return Features(graph.bare_body(body), size).of(photos, progress=progress)


class Features:
    """What one body sees in photos; what it has seen is kept, here and in its cache."""

    def __init__(self, bare: bytes, size: int) -> None:
        """Read the cache.

        Args:
            bare: see `pipeline.models.graph.bare_body`.
            size: pixels a side of a frame.
        """
        code = b"".join(
            Path(str(module)).read_bytes() for module in (bundle.decode.__file__, frames.__file__, __file__)
        )
        packages = " ".join(version(package) for package in ("openvino", "pillow"))
        self._cache = graph.FOLDER / f"{hashlib.sha256(bare + code + packages.encode()).hexdigest()[:16]}.npz"
        self._bare, self._size = bare, size
        self._network: graph.Network | None = None  # compiled when there is something to see
        self._kept = _read(self._cache)

    def of(self, photos: Sequence[Photo], *, progress: Progress | None = None) -> NDArray[np.float32]:
        """Float32 [photos, features]; raises as `by`."""
        missing = list({photo.sha256: photo for photo in photos if photo.sha256 not in self._kept}.values())
        for start in range(0, len(missing), AT_ONCE):
            some = missing[start : start + AT_ONCE]
            seen = self.see(frames.served_frames([photo.path for photo in some], self._size))
            self._kept |= zip((photo.sha256 for photo in some), seen, strict=True)
            if progress:
                progress(len(photos) - len(missing) + start + len(some), len(photos))
        if missing:
            kept = self._kept
            files.write_npz(self._cache, {"sha256": np.array(list(kept)), "features": np.stack(list(kept.values()))})
        return np.stack([self._kept[photo.sha256] for photo in photos])

    def see(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features [n, features] of frames uint8 [n, size, size, 3], which are not kept."""
        self._network = self._network or graph.Network(graph.seeing(self._bare), self._size)
        (maps,) = self._network.infer([graph.FEATURES], pixels)
        return np.asarray(maps.mean((2, 3)))


def _read(cache: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with cache.open("rb") as file, np.load(file) as kept:
            return dict(zip(kept["sha256"].tolist(), kept["features"], strict=True))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}  # not there yet, or damaged: it is computed anew
