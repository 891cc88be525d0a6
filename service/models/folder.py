"""Models from a folder, which somebody replaces now and then."""

import hashlib
import shutil
import time
from pathlib import Path
from typing import Final

import bundle
from bundle.errors import BundleError
from service.models.workspace import Workspace

SETTLE_S: Final = 0.2  # a folder that changes is left alone until it was quiet for so long
SETTLE_TRIES: Final = 25


class FolderSource:
    """A folder; what is served is a copy of it. See `service.models.source.Source`."""

    must_exist = True

    def __init__(self, folder: Path, workspace: Workspace) -> None:
        self._folder = folder
        self._workspace = workspace
        self._seen = ""

    def look(self) -> str:
        """The names, sizes and times of its files: nothing is read where nothing changed."""
        signature = self._signature()
        if self._seen and signature != self._seen:  # something is served, so there is time
            for _ in range(SETTLE_TRIES):
                time.sleep(SETTLE_S)
                before, signature = signature, self._signature()
                if signature == before:
                    break
        bundle.load_manifest(self._folder)
        self._seen = signature
        return signature

    def fetch(self, token: str) -> Path:  # noqa: ARG002  # there is only what is there now
        """A copy, verified."""
        manifest = bundle.load_manifest(self._folder)
        copy = self._workspace.new()
        try:
            for name in (bundle.MANIFEST, *manifest.files):
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                try:
                    shutil.copyfile(self._folder / name, copy / name)
                except FileNotFoundError as error:
                    raise BundleError(f"{self._folder / name} is missing; copy the bundle again") from error
            bundle.load(copy)
        except BundleError as error:
            shutil.rmtree(copy, ignore_errors=True)
            raise BundleError(str(error).replace(str(copy), str(self._folder))) from error
        return copy

    def taken(self, token: str) -> None:
        """Nothing is to be noted."""

    def _signature(self) -> str:
        try:
            stats = [(str(path), path.stat()) for path in sorted(self._folder.rglob("*"))]
        except OSError:  # somebody is at it
            return "changing"
        rows = [(name, stat.st_size, stat.st_ctime_ns, stat.st_ino) for name, stat in stats]
        return hashlib.sha256(repr(rows).encode()).hexdigest()
