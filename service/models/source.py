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
    """Looks are cheap and frequent, fetches are not. Both block: they run in threads."""

    must_exist: bool  # whether the service ends where there is no model at the start

    def look(self) -> str:
        """What tells the model that is there now from any other.

        Raises:
            Unavailable, BundleError, OSError: there is none, or nobody can be asked.
        """

    def fetch(self, token: str) -> Path:
        """A folder with that model, of which every file was verified and which nobody else changes.

        Raises:
            Unavailable, BundleError, OSError: it can't be had, or is damaged.
        """

    def taken(self, token: str) -> None:
        """It is served now.

        Raises:
            OSError: that can't be noted.
        """
