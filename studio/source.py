"""Where the studio's service takes its model from: the draft, while there is one of the promoted model."""

from pathlib import Path

import bundle
from bundle.errors import BundleError
from service.models.source import FolderSource


class DraftFirst:
    """The draft, or the promoted model where there is none; a `service.models.source.Source`."""

    must_exist = True

    def __init__(self, promoted: Path, draft: Path) -> None:
        self._promoted, self._draft = promoted, draft

    def look(self) -> str:
        """The token of what is to be served."""
        return FolderSource(self._folder()).look()

    def fetch(self, token: str, to: Path) -> None:
        """Copy it; see `FolderSource`."""
        FolderSource(self._folder()).fetch(token, to)

    def taken(self, token: str, folder: Path) -> None:
        """Nothing is to be noted."""

    def _folder(self) -> Path:
        """A draft of another champion is none: that one was promoted since, or rolled back to."""
        try:
            parent = bundle.load_manifest(self._draft).lineage.parent
            return self._draft if parent == bundle.load_manifest(self._promoted).version else self._promoted
        except BundleError:
            return self._promoted
