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

    labels: tuple[str, ...]  # names of the folders, also of empty ones
    pictures: tuple[str, ...]
    unsupported: tuple[str, ...]  # pictures of a format that is not taken, by their extension
    strays: tuple[str, ...]  # anything else


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
    labels: list[str] = []
    found: dict[str, list[str]] = {"picture": [], "unsupported": [], "stray": []}

    def walk(folder: Path, prefix: str) -> None:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: normal(entry.name))
        except OSError as error:
            raise DataError(f"{folder} can't be read ({error.strerror}); check its permissions") from error
        for entry in entries:
            if entry.name.startswith(".") or entry.name.lower() in SILENT:
                continue
            if entry.is_dir():
                if not prefix:
                    labels.append(entry.name)
                walk(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                found[_sort_of(entry.name)].append(prefix + entry.name)

    walk(images, "")
    return Contents(tuple(labels), tuple(found["picture"]), tuple(found["unsupported"]), tuple(found["stray"]))


def _sort_of(name: str) -> str:
    extension = Path(name).suffix.lower()
    if extension in PICTURES:
        return "picture"
    return "unsupported" if extension in OTHER_PICTURES else "stray"
