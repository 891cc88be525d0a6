"""The folder for copies of served models: temporary, of one process, locked while it lives."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final, Self

from bundle.errors import UserError

PREFIX: Final = "art-text-plant-"


class Workspace:
    """A temporary folder, removed at the end; so are those that a killed service left behind."""

    def __init__(self) -> None:
        """Make it.

        Raises:
            UserError: nothing can be written.
        """
        try:
            for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):  # fails where no candidate can be written
                _remove_if_stale(folder)
            self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        except OSError as error:
            raise UserError(
                f"there is no place for temporary files ({error.strerror}); set TMPDIR to a folder that can be written"
            ) from error
        # The lock tells this folder from one that was left behind (process ids can't: in every container it is 1), and
        # keeps systemd-tmpfiles away from what was not touched for days.
        self._lock = os.open(self.folder, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)
        shutil.rmtree(self.folder, ignore_errors=True)

    def new(self) -> Path:
        """A new empty folder in it."""
        return Path(tempfile.mkdtemp(prefix="model-", dir=self.folder))

    def keep_only(self, *folders: Path) -> None:
        """Remove all but these."""
        for folder in self.folder.iterdir():
            if folder not in folders:
                shutil.rmtree(folder, ignore_errors=True)


def _remove_if_stale(folder: Path) -> None:
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:  # another user's, or a file
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:  # its service lives
        pass
    finally:
        os.close(lock)
