"""Where models come from: a folder, or an alias of a registry."""

import hashlib
import shutil
from pathlib import Path
from typing import Protocol

import bundle
from bundle.errors import BundleError, UserError


class Unavailable(UserError):
    """A model can't be had now; ``outcome`` is the reason's name in the metrics and in /readyz."""

    outcome = "unreachable"


class Absent(Unavailable):
    """The registry answers, but has no such model or alias."""

    outcome = "absent"


class Tainted(Unavailable):
    """The model knew a photo that was forgotten, and no other is there: it must not be served any more."""

    outcome = "tainted"


class Source(Protocol):
    """Looks are cheap and frequent, fetches are not. All of it blocks, and runs in threads.

    All raise Unavailable, BundleError or OSError where it can't be done.
    """

    must_exist: bool  # whether the service ends where there is no model at the start

    def look(self) -> str:
        """What tells the model that is there now from any other."""

    def fetch(self, token: str, to: Path) -> None:
        """Write that model's files into an empty folder."""

    def taken(self, token: str, folder: Path) -> None:
        """It was verified, and is served from the folder now."""


class FolderSource:
    """A folder; what is served is a copy of it. See `Source`."""

    must_exist = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def look(self) -> str:
        """The sha256 of its manifest, which has those of all other files.

        Where the model was taken out since a photo was forgotten, a word lies in its place.
        """
        if (word := self._folder / bundle.WORD).is_file():
            raise Tainted(f"{self._folder} holds no model any more: {word.read_text(encoding='utf-8').strip()}")
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
