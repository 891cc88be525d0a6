"""The folder for what lives as long as the service: shared metrics, copies of the served folder."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final, Self

from bundle.errors import UserError

PREFIX: Final = "art-text-plant-"


class Runtime:
    """A temporary folder, removed at the end; so are those that a killed service left behind."""

    def __init__(self) -> None:
        try:
            _tidy(Path(tempfile.gettempdir()))
            self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        except OSError as error:
            raise UserError(
                f"there is no place for temporary files ({error.strerror}); set TMPDIR to a folder that can be written"
            ) from error
        self.metrics = self.folder / "metrics"
        self.models = self.folder / "models"
        self.metrics.mkdir()
        self.models.mkdir()
        # systemd-tmpfiles removes what was not touched for days, unless its folder is locked.
        self._lock = os.open(self.folder, os.O_RDONLY)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)
        shutil.rmtree(self.folder, ignore_errors=True)


def _tidy(place: Path) -> None:
    for folder in place.glob(f"{PREFIX}*-*"):
        pid = folder.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdecimal() and not _alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)  # another user's stays: it can't be removed


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True
