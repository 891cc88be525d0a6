"""Places: where photos, and what was made of them, may be. Each can be searched and cleaned, any number of times."""

import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.data import attribution
from pipeline.tracking.store import Store
from studio.album import Album
from studio.errors import StudioError
from studio.forget import traces
from studio.forget.marks import Wanted

PRUNED = {".git", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
OWN = Path(".studio")  # files there that are named after a photo's hash are made of it
ATTRIBUTION = Path("ATTRIBUTION.md")
FETCHED = {
    ".html",
    ".png",
    ".jpg",
    ".json",
    ".npz",
    ".zip",
    ".tar",
    ".md",
}  # of a server's files, what may show a photo
MOST_RUNS = 50_000  # MLflow's own limit of a search

Found = dict[str, str]  # what it is, by where it is


class Place(Protocol):
    """Both methods raise whatever keeps the place from being reached."""

    @property
    def name(self) -> str:
        """As a receipt names it."""

    def find(self, wanted: Wanted) -> Found:
        """All traces."""

    def remove(self, wanted: Wanted, found: Found) -> None:
        """Take them out."""


class Listed:
    """The photos of the manifest: they leave by a step of the journal, and the attribution is written anew."""

    name = "manifest"

    def __init__(self, album: Album, why: str) -> None:
        self._album, self._why = album, why

    def find(self, wanted: Wanted) -> Found:
        """Rows of photos with these bytes, under any name."""
        images = self._album.data.images
        there = [row.file for row in self._album.rows() if (images / row.file).is_file()]
        return {file: "a row" for file in there if traces.find(images / file, wanted) == traces.COPY}

    def remove(self, wanted: Wanted, found: Found) -> None:  # noqa: ARG002  # what is found says it all
        """Let them leave."""
        self._album.edit("forget", found, lambda _: None, why=self._why)
        if ATTRIBUTION.exists():
            attribution.update(self._album.data.manifest, ATTRIBUTION)


@dataclass(frozen=True)
class Folder:
    """A folder and all below it.

    Attributes:
        skip: folders below it that are places of their own.
        is_store: of DVC: a file is named after its bytes, so one that shows a photo goes as a whole.
        must_exist: it may be on a disk that is not there now.
    """

    name: str
    root: Path
    skip: frozenset[Path] = frozenset()
    is_store: bool = False
    must_exist: bool = False

    def files(self) -> Iterator[Path]:
        """Every file, also behind links to folders, but each folder once.

        Raises:
            StudioError: the folder is not there, and must be.
        """
        if self.must_exist and not self.root.is_dir():
            raise StudioError(f"{self.root} is not there; is its disk connected?")
        seen: set[str] = set()
        for top, folders, names in os.walk(self.root, followlinks=True):
            here, real = Path(top), os.path.realpath(top)
            folders[:] = [
                name
                for name in folders
                if not (real in seen or name in PRUNED or name.startswith(".venv"))
                and (here / name).resolve() not in self.skip
            ]
            if real not in seen:
                seen.add(real)
                yield from (here / name for name in names if (here / name).is_file())

    def find(self, wanted: Wanted) -> Found:
        """Search every file."""
        return {str(path): kind for path in self.files() if (kind := self._kind(path, wanted))}

    def remove(self, wanted: Wanted, found: Found) -> None:
        """Take the traces out of the files, or the files away, and empty folders with them."""
        for name, kind in found.items():
            path = Path(name)
            traces.erase(path, traces.COPY if self.is_store else kind, wanted)
            with suppress(OSError):
                path.parent.rmdir()

    def objects(self, found: Found) -> list[str]:
        """The names of the objects that were found in a store of DVC; none where this is none."""
        return [_object(path) for path in map(Path, found) if self.is_store and not self._is_run(path)]

    def _kind(self, path: Path, wanted: Wanted) -> str:
        if self.is_store and self._is_run(path):
            text = path.read_bytes()
            return traces.NAMED if any(name.encode() in text for name in wanted.md5) else ""
        if self.is_store and _object(path) in wanted.objects:
            return traces.COPY
        own = self.root / OWN in path.parents
        if own and any(sha in path.name for sha in wanted.sha256):
            return traces.NAMED
        return traces.find(path, wanted)

    def _is_run(self, path: Path) -> bool:
        """Whether it is a record of a run in DVC's run cache."""
        return path.is_relative_to(self.root / "runs")


class Unreached:
    """A place that can't even be opened."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name, self._error = name, error

    def find(self, wanted: Wanted) -> Found:  # noqa: ARG002
        """Raise what opening it raised."""
        raise self._error

    def remove(self, wanted: Wanted, found: Found) -> None:
        """Nothing is ever found."""


class Remote:
    """A remote of DVC that is no folder of this machine: an object is asked for by its name."""

    def __init__(self, name: str, databases: Collection[Any]) -> None:
        self.name, self._databases = name, databases

    def find(self, wanted: Wanted) -> Found:
        """The objects that are there."""
        return {
            str(odb.oid_to_path(name)): name for odb in self._databases for name in wanted.objects if odb.exists(name)
        }

    def remove(self, wanted: Wanted, found: Found) -> None:  # noqa: ARG002  # what is found says it all
        """Delete them."""
        for odb in self._databases:
            for path, name in found.items():
                if odb.oid_to_path(name) == path:
                    odb.delete(name)


class Server:
    """The artifacts of an MLflow server: what may show a photo is fetched and searched, and deleted where it does."""

    name = "MLflow"

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, wanted: Wanted) -> Found:
        """Search the artifacts of every run, deleted ones too."""
        from mlflow.entities import ViewType

        found: Found = {}
        experiment, every = self._store.experiment_id, {"run_view_type": ViewType.ALL, "max_results": MOST_RUNS}
        runs = self._store.call("search_runs", [experiment], **every)
        for run in runs:
            artifacts = _artifacts(run.info.artifact_uri, self._store.uri)
            for path, size in _listed(artifacts, ""):
                if size in wanted.sizes or Path(path).suffix in FETCHED:
                    with tempfile.TemporaryDirectory() as scratch:
                        kind = traces.find(Path(artifacts.download_artifacts(path, scratch)), wanted)
                    found |= {f"{run.info.artifact_uri}#{path}": kind} if kind else {}
        return found

    def remove(self, wanted: Wanted, found: Found) -> None:  # noqa: ARG002  # what is found says it all
        """Delete them."""
        for place in found:
            uri, _, path = place.partition("#")
            _artifacts(uri, self._store.uri).delete_artifacts(path)


def _object(path: Path) -> str:
    """The name of a file in DVC's stores."""
    return path.parent.name + path.name


def _artifacts(uri: str, server: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(uri, tracking_uri=server)


def _listed(artifacts: Any, folder: str) -> Iterator[tuple[str, int]]:
    for each in artifacts.list_artifacts(folder or None):
        if each.is_dir:
            yield from _listed(artifacts, each.path)
        else:
            yield each.path, each.file_size or 0
