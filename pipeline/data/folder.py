"""The folder of pictures: what lies in it, by label."""

import os
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import DataError
from pipeline.data.manifest import normal

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif"})
# Pictures that are not taken; named, so that they are not passed over as strays.
OTHER_PICTURES = frozenset(
    (
        *(".gif", ".bmp", ".tif", ".tiff", ".avif", ".jxl", ".jp2", ".svg", ".psd", ".xcf", ".ico", ".jfif"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),  # raw files of cameras
    )
)
SILENT = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})  # left by file managers, like every dot file


@dataclass(frozen=True)
class Contents:
    """What lies in the folder; paths relative to it, with "/", as they are spelt on the disk, sorted."""

    labels: list[str]  # names of the folders, also of empty ones
    pictures: list[str]
    unsupported: list[str]  # pictures of a format that is not taken, by their extension
    strays: list[str]  # anything else


def contents(images: Path) -> Contents:
    """List the folder. Dot files, and what file managers leave, are passed over.

    Raises:
        DataError: ``images`` is not there, or a folder in it can't be read.
    """
    if not images.is_dir():
        raise DataError(
            f"{images} is missing; `dvc pull data.dvc` brings the project's photos, "
            "or make it and put a folder of photos for each label there"
        )

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} can't be read ({error.strerror}); check its permissions") from error

    found = Contents([], [], [], [])
    for folder, folders, names in os.walk(images, onerror=refuse, followlinks=True):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=normal)
        place = Path(folder).relative_to(images)
        found.labels.extend(folders if folder == str(images) else ())
        for name in names:
            if not name.startswith(".") and name.lower() not in SILENT:
                extension = Path(name).suffix.lower()
                other = found.unsupported if extension in OTHER_PICTURES else found.strays
                (found.pictures if extension in PICTURES else other).append((place / name).as_posix())
    for files in (found.pictures, found.unsupported, found.strays):
        files.sort(key=normal)
    return found
