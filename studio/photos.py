"""The photos as they lie there now, with what the promoted model's pipeline said of those that it has seen."""

import hashlib
from collections.abc import Mapping

from pipeline.data import manifest
from pipeline.data.manifest import source_of
from pipeline.data.settings import DataSettings
from pipeline.data.split import TRAIN, SplitRow


class Collection:
    """The photos of ``data``; hashes are computed once a file and state of it."""

    def __init__(self, data: DataSettings) -> None:
        self._data = data
        self._hashes: dict[str, tuple[tuple[int, int], str]] = {}  # by file: time and size, and the sha256

    def rows(self, split: Mapping[str, tuple[str, str]]) -> list[SplitRow]:
        """A row of each photo of the manifest whose file is there.

        A new photo's group is the manifest's, and it teaches; a photo of the test split stays unknown to a draft as
        well.

        Args:
            split: group and side of photos that the pipeline has seen, by their sha256.

        Raises:
            DataError: the manifest is damaged.
        """
        rows, found = manifest.read(self._data.manifest), []
        for row, source in zip(rows, source_of(rows), strict=True):
            if sha256 := self._sha256(row.file):
                group, side = split.get(sha256, (row.group, TRAIN))
                found.append(SplitRow(row.file, row.label, group, row.kind, side, sha256, source))
        return found

    def _sha256(self, file: str) -> str:
        path = self._data.images / file
        try:
            stat = path.stat()
            state = stat.st_mtime_ns, stat.st_size
            if (kept := self._hashes.get(file)) is None or kept[0] != state:
                with path.open("rb") as stream:
                    kept = state, hashlib.file_digest(stream, "sha256").hexdigest()
                self._hashes[file] = kept
        except OSError:
            return ""  # it has gone, or can't be read: validate names it
        return kept[1]
