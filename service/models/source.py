"""Where models come from: a folder, or an alias of a registry."""

from pathlib import Path
from typing import Protocol

from bundle.errors import UserError


class Unavailable(UserError):
    """A model can't be had now; ``outcome`` is the reason's name in the metrics and in /readyz."""

    outcome = "unreachable"


class Absent(Unavailable):
    """The registry answers, but has no such model or alias."""

    outcome = "absent"


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
