"""The album: photos come into data/images and leave it, with their rows in the manifest and a step in the journal."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image

from bundle import decode
from bundle.errors import PictureError
from pipeline.core import files
from pipeline.core.errors import StorageError
from pipeline.data import manifest
from pipeline.data.manifest import OWN, Row, normal, why_illegal
from pipeline.data.settings import DataSettings
from studio.errors import NotFoundError, StudioError
from studio.journal import NAME, Journal, Photo, Step, Teach, Undo

STAGING = Path(".studio/staging")
MOST_FRAMES = 200  # of one burst
DARK = 4.0  # a frame whose grey values spread less than this (of 255) shows nothing
SAME = 3.0  # frames that differ by less than this (mean, of 255, at 32 x 32 pixels) show the same
LICENCE = "own"


class Album:
    """The photos of ``data``, which one process changes at a time."""

    def __init__(self, data: DataSettings, size: int, staging: Path = STAGING) -> None:
        """Bring a step that was interrupted to its end.

        Args:
            data: where the photos and their manifest lie.
            size: pixels a side of the model's frame; smaller pictures are refused.
            staging: where photos wait until their step is written; on the same disk as ``data``.

        Raises:
            DataError: the manifest or the journal is damaged. StorageError: nothing can be written.
        """
        self.data, self.size, self.staging = data, size, staging
        self.journal = Journal(data.images.parent / NAME)
        for step in self.journal.unfinished():
            self._carry_out(step)
        shutil.rmtree(staging, ignore_errors=True)

    def labels(self) -> dict[str, int]:
        """Number of photos by label, the label of none of them among them."""
        found: dict[str, int] = {}
        for row in manifest.read(self.data.manifest):
            found[row.label] = found.get(row.label, 0) + 1
        return found

    def teach(self, label: str, frames: Sequence[bytes], author: str) -> Teach:
        """Keep the frames of one burst as photos of ``label``; near-identical neighbours count once.

        Args:
            label: an old one, or a new one.
            frames: JPEG, PNG or WebP files, in the order in which they were taken.
            author: who took them.

        Raises:
            StudioError: the label or a frame can't be used; nothing was kept.
            StorageError: the disk is full; nothing was kept.
        """
        label = self._label(label)
        if not author.strip():
            raise StudioError("say who takes the photos: git knows no user.name here, so give an author")
        if not 1 <= len(frames) <= MOST_FRAMES:
            raise StudioError(f"{len(frames)} frames; hold the button for 1 to {MOST_FRAMES} of them")
        kept = self._different(frames)
        number, at = self.journal.next, datetime.now(UTC)
        photos = tuple(
            Photo(file=f"{label}/{at:%Y%m%d-%H%M%S}-{number}-{i:03}.jpg", sha256=hashlib.sha256(data).hexdigest())
            for i, data in enumerate(kept, start=1)
        )
        step = Teach(step=number, at=at, label=label, author=author, photos=photos)
        try:
            for photo, data in zip(photos, kept, strict=True):
                files.write_bytes(self.staging / photo.file, data)
            self._do(step)
        finally:
            shutil.rmtree(self.staging, ignore_errors=True)
        return step

    def undo(self, step: int, only: Iterable[str] = ()) -> Undo:
        """Let the photos of a step leave, or ``only`` some of its files.

        Raises:
            NotFoundError: no such step, or nothing of it is there any more.
            StorageError: the disk is full; nothing has changed.
        """
        if not isinstance(self.journal.steps.get(step), Teach):
            raise NotFoundError(f"there is no step {step} in which photos were taken")
        wanted = set(only)
        photos = tuple(photo for photo in self.journal.photos(step) if not wanted or photo.file in wanted)
        if not photos:
            raise NotFoundError(f"nothing of step {step} is left to be undone")
        undone = Undo(step=self.journal.next, at=datetime.now(UTC), of=step, photos=photos)
        self._do(undone)
        return undone

    def _do(self, step: Step) -> None:
        self.journal.append(step)
        try:
            self._carry_out(step)
        except StorageError:
            if isinstance(step, Teach):
                for photo in step.photos:
                    (self.data.images / photo.file).unlink(missing_ok=True)
                self.journal.take_back(step)
            raise

    def _carry_out(self, step: Step) -> None:
        """Do what a step says, as far as it is not done yet."""
        rows = manifest.read(self.data.manifest) if self.data.manifest.exists() else []
        names = {photo.file for photo in step.photos}
        others = [row for row in rows if row.file not in names]
        if isinstance(step, Teach):
            for photo in step.photos:
                place, waiting = self.data.images / photo.file, self.staging / photo.file
                place.parent.mkdir(parents=True, exist_ok=True)
                if waiting.exists():
                    waiting.replace(place)
            manifest.write(self.data.manifest, [*others, *map(_row_of(step), step.photos)])
        else:
            manifest.write(self.data.manifest, others)
            for photo in step.photos:
                place = self.data.images / photo.file
                place.unlink(missing_ok=True)
                if place.parent.is_dir() and not any(place.parent.iterdir()):
                    place.parent.rmdir()
        self.journal.finish(step)

    def _label(self, name: str) -> str:
        name = normal(name.strip())
        if why := why_illegal(name):
            raise StudioError(f"the label {name!r} can't be used: {why}")
        for other in self.labels():
            if other != name and other.casefold() == name.casefold():
                raise StudioError(f"there is a label {other!r} already; take it, or another name than {name!r}")
        return name

    def _different(self, frames: Sequence[bytes]) -> list[bytes]:
        """Frames that can be used, without those that show what the one before shows."""
        kept: list[bytes] = []
        last: np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None = None
        for number, data in enumerate(frames, start=1):
            try:
                image = decode.open_rgb(data, min_side=self.size)
            except PictureError as error:
                raise StudioError(f"frame {number} can't be used: {error}") from error
            if min(image.size) < self.size:
                raise StudioError(f"frame {number} is {image.width} x {image.height}; at least {self.size} are needed")
            small = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX), float)
            if small.std() < DARK:
                continue  # the lens is covered, or the camera has just been opened
            if last is not None and np.abs(small - last).mean() < SAME:
                continue
            last = small
            kept.append(data)
        if not kept:
            raise StudioError("the frames show nothing (all one colour); is the lens covered?")
        return kept


def _row_of(step: Teach) -> Callable[[Photo], Row]:
    def row(photo: Photo) -> Row:
        return Row(
            file=photo.file,
            label=step.label,
            group=f"burst:{step.at:%Y%m%d-%H%M%S}-{step.step}",
            kind="captured",
            source_package=OWN,
            source_version="",
            source_path=photo.file,
            author=step.author,
            licence=LICENCE,
            sha256_of_source=photo.sha256,
            notes=f"taken {step.at.isoformat(timespec='seconds')}",
        )

    return row
