"""Models from a folder, which somebody replaces now and then."""

import hashlib
import shutil
from pathlib import Path

import bundle
from bundle.errors import BundleError


class FolderSource:
    """A folder; what is served is a copy of it. See `service.models.source.Source`."""

    must_exist = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def look(self) -> str:
        """The sha256 of its manifest, which has those of all other files."""
        bundle.load_manifest(self._folder)
        return hashlib.sha256((self._folder / bundle.MANIFEST).read_bytes()).hexdigest()

    def fetch(self, token: str, to: Path) -> None:  # noqa: ARG002  # there is only what is there now
        """Copy it; what is still being written is damaged, and tried again a moment later."""
        for name in (bundle.MANIFEST, *bundle.load_manifest(self._folder).files):
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(self._folder / name, to / name)
            except FileNotFoundError as error:
                raise BundleError(f"{self._folder / name} is missing; copy the bundle again") from error

    def taken(self, token: str, folder: Path) -> None:
        """Nothing is to be noted."""
