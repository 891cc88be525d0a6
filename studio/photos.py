"""The photos as they lie there now, with what validate last said of those that it has seen."""

import hashlib
from pathlib import Path

from pipeline.core.errors import DataError
from pipeline.data import manifest
from pipeline.data.manifest import source_of
from pipeline.data.settings import DataSettings
from pipeline.data.split import SPLIT, TRAIN, SplitRow, read_split


class Collection:
    """The photos of ``data``; hashes are computed once a file and state of it."""

    def __init__(self, data: DataSettings) -> None:
        self._data = data
        self._hashes: dict[str, tuple[tuple[int, int], str]] = {}  # by file: time and size, and the sha256

    def rows(self) -> list[SplitRow]:
        """A row of each photo of the manifest whose file is there.

        Group and side are validate's where it has seen the very photo; a new one's group is the manifest's, and it
        teaches. So a photo of the test split stays unknown to a draft as well.

        Raises:
            DataError: the manifest is damaged.
        """
        rows = manifest.read(self._data.manifest)
        try:
            known = {row.file: row for row in read_split(SPLIT)} if SPLIT.exists() else {}
        except DataError:
            known = {}  # being written, or of another version: the next run of validate makes it
        found = []
        for row, source in zip(rows, source_of(rows), strict=True):
            if (sha256 := self._sha256(row.file)) is None:
                continue
            seen = known.get(row.file)
            if seen and (seen.sha256, seen.label) == (sha256, row.label):
                found.append(SplitRow(row.file, row.label, seen.group, row.kind, seen.split, sha256, source))
            else:
                found.append(SplitRow(row.file, row.label, row.group, row.kind, TRAIN, sha256, source))
        return found

    def _sha256(self, file: str) -> str | None:
        path: Path = self._data.images / file
        try:
            stat = path.stat()
            state = stat.st_mtime_ns, stat.st_size
            if (kept := self._hashes.get(file)) is None or kept[0] != state:
                with path.open("rb") as stream:
                    kept = state, hashlib.file_digest(stream, "sha256").hexdigest()
                self._hashes[file] = kept
        except OSError:
            return None  # it has gone, or can't be read: validate names it
        return kept[1]
