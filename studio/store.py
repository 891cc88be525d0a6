"""The store: where the photos lie and where those that have left do, and how the changes of a step are carried out.

In an order in which a crash or a full disk at any point does no harm: photos that come are copied, then the manifest
is written, then photos that leave or move are renamed, which needs no space. Each part is skipped where it is done.
"""

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from pipeline.core import files
from pipeline.core.errors import StorageError
from pipeline.data import manifest
from pipeline.data.manifest import Row, normal
from pipeline.data.settings import DataSettings
from studio.errors import NotFoundError
from studio.journal import Change


class Store:
    """The folder of photos and its manifest, with ``staging`` for photos that come and ``removed`` for those that left.

    Both are on the disk of the photos; a file there is named after the sha256 of its bytes.
    """

    def __init__(self, data: DataSettings, staging: Path) -> None:
        self.data, self.staging, self.removed = data, staging, staging.parent / "removed"

    def rows(self) -> list[Row]:
        """The manifest."""
        return manifest.read(self.data.manifest) if self.data.manifest.exists() else []

    def stage(self, sha256: str, data: bytes) -> None:
        """Lay a photo ready for the step that brings it.

        Raises:
            StorageError: the disk is full.
        """
        files.write_bytes(self.staging / sha256, data)

    def clear(self) -> None:
        """Throw away what was laid ready."""
        shutil.rmtree(self.staging, ignore_errors=True)

    def bring(self, changes: Sequence[Change]) -> None:
        """Copy photos in and write the manifest.

        Raises:
            StorageError: it can't be; all is as it was.
        """
        came: list[Path] = []
        try:
            self._copy(changes, came)
            self._list(changes)
        except (OSError, StorageError) as error:
            for place in came:
                place.unlink(missing_ok=True)
                _tidy(place.parent)
            if isinstance(error, OSError):
                raise files.explain(error, self.data.images) from error
            raise

    def carry_away(self, changes: Sequence[Change]) -> None:
        """Give photos their new names, and move those that leave into ``removed``.

        Raises:
            StorageError: a folder can't be written; what is left to do is done when this runs again.
        """
        for change in changes:
            before, after = change.before, change.after
            if not before or (after and after.file == before.file):
                continue
            source, target = self.data.images / before.file, self._target(change)
            try:
                if source.exists():
                    source.replace(target)
                _tidy(source.parent)
            except OSError as error:
                raise files.explain(error, target) from error

    def is_kept(self, sha256: str) -> bool:
        """Whether the bytes of a photo that has left are there, as they were."""
        path = self.removed / sha256
        return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == sha256

    def sha256(self, name: str) -> str:
        """Hash of the bytes of a photo.

        Raises:
            NotFoundError: it is not there.
        """
        try:
            with (self.data.images / name).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise NotFoundError(f"{name} can't be read ({error.strerror}); `dvc checkout` brings it back") from error

    def free(self, name: str, taken: set[str]) -> str:
        """The name, or one with a number where it is ``taken`` (`names_of`), which hears of it."""
        path, number, free = PurePosixPath(name), 1, name
        while normal(free).casefold() in taken or (self.data.images / free).exists():
            number += 1
            free = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
        taken.add(normal(free).casefold())
        return free

    def _target(self, change: Change) -> Path:
        return self.data.images / change.after.file if change.after else self.removed / change.sha256

    def _copy(self, changes: Sequence[Change], came: list[Path]) -> None:
        for change in changes:
            place = self._target(change)
            place.parent.mkdir(parents=True, exist_ok=True)
            if not change.before and not place.exists():
                came.append(place)
                waiting = self.staging / change.sha256
                files.write_bytes(place, (waiting if waiting.exists() else self.removed / change.sha256).read_bytes())

    def _list(self, changes: Sequence[Change]) -> None:
        rows = self.rows()
        there = {row.file for row in rows}
        changed = {change.before.file: change.after for change in changes if change.before}
        rows = [after for row in rows if (after := changed.get(row.file, row))]
        for change in sorted(changes, key=lambda each: (each.place is None, each.place or 0)):
            if change.after and not change.before and change.after.file not in there:
                rows.insert(len(rows) if change.place is None else change.place, change.after)
        manifest.write(self.data.manifest, rows)


def names_of(rows: Iterable[Row]) -> set[str]:
    """The names that are taken, in the spelling in which no two may be equal (some disks know no case)."""
    return {normal(row.file).casefold() for row in rows}


def _tidy(folder: Path) -> None:
    """Take an empty folder away: the last photo of a label has left."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
