"""Marks: the hashes by which a photo, and what was made of it, are told; no picture can be made of them."""

import base64
import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bundle.decode import open_rgb, to_frame
from bundle.errors import PictureError
from pipeline.core import config
from pipeline.data.frames import FORMATS
from pipeline.validate import inspection
from pipeline.validate.checks import ValidateSettings

MEASURES = "measures-*.json"  # of validate, in the folder of features


class Marks(BaseModel):
    """Of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    md5: str  # its name in DVC's stores
    blob: str  # its name in git
    size: int  # bytes
    files: tuple[str, ...]  # where it lies, below the folder of photos
    frames: dict[int, str]  # sha256 of the frame that the model sees, by its side: sheets of mistakes show it
    thumbnails: tuple[str, ...]  # sha256 of the JPEGs that validate's report shows


@dataclass(frozen=True)
class Wanted:
    """The marks of all photos of a request, as a search needs them; names in DVC's stores are ``md5``."""

    sha256: frozenset[str]
    sizes: frozenset[int]
    files: frozenset[str]
    frames: frozenset[tuple[int, str]]
    pictures: frozenset[str]  # sha256 of what a text may hold in base64: the file, and its thumbnails
    md5: frozenset[str]
    objects: frozenset[str]  # of the photos and of what is derived from them

    @classmethod
    def of(cls, photos: Sequence[Marks], derived: Iterable[str] = ()) -> "Wanted":
        """Of these photos, and of the ``derived`` objects that show them."""
        hashes = frozenset(photo.sha256 for photo in photos)
        return cls(
            sha256=hashes,
            sizes=frozenset(photo.size for photo in photos),
            files=frozenset(file for photo in photos for file in photo.files),
            frames=frozenset((side, frame) for photo in photos for side, frame in photo.frames.items()),
            pictures=hashes.union(*(photo.thumbnails for photo in photos)),
            md5=frozenset(photo.md5 for photo in photos),
            objects=frozenset({*(photo.md5 for photo in photos), *derived}),
        )


def marks_of(path: Path, files: Sequence[str], sides: Collection[int], cache: Path) -> Marks:
    """The marks of the file at ``path``.

    Args:
        path: a photo, or a recording, which has neither frames nor thumbnails.
        files: see `Marks`.
        sides: of the frames, pixels.
        cache: the folder of features, where validate keeps thumbnails.
    """
    data, frames = path.read_bytes(), dict[int, str]()
    for side in sides:
        try:
            frames[side] = _sha256(to_frame(open_rgb(data, min_side=side, formats=FORMATS), side).tobytes())
        except PictureError:
            break
    digest = _sha256(data)
    return Marks(
        sha256=digest,
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        blob=hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest(),
        size=len(data),
        files=tuple(files),
        frames=frames,
        thumbnails=tuple(sorted({_sha256(base64.b64decode(each)) for each in _thumbnails(path, digest, cache)})),
    )


def _thumbnails(path: Path, sha256: str, cache: Path) -> Iterable[str]:
    """In base64: as validate would make it now, and as it is kept."""
    settings = config.load("validate", ValidateSettings)
    made = inspection.inspect(path.parent, path.name, max_pixels=settings.max_pixels, thumbnail=settings.thumbnail)
    if isinstance(made, inspection.Measures):
        yield made.thumbnail
    for file in cache.glob(MEASURES):
        try:
            yield json.loads(file.read_bytes())[sha256]["thumbnail"]
        except (OSError, ValueError, KeyError, TypeError):
            continue


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
