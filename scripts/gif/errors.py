"""What can go wrong with a GIF, said so that a person can act on it.

GifError
├── SettingsError    there is no such preset or setting, or a value is out of range
├── RecordingError   the recording can't be read, or has no moving picture
├── FfmpegError      no ffmpeg that can do it, or it gave up
├── GifsicleError    gifsicle is there and fails; the search goes on without it
├── BudgetError      nothing that is worth looking at fits into the bytes allowed
└── OutputError      a file can't be written (disk full, no permission)
"""

import errno
from pathlib import Path


class GifError(Exception):
    """An error of the converter; the text names the file and the way out. Shown without a traceback."""


class SettingsError(GifError):
    """There is no such preset or setting, or a value is out of range."""


class RecordingError(GifError):
    """The recording can't be read, or there is no moving picture in it."""


class FfmpegError(GifError):
    """There is no ffmpeg that can do what is asked, or it gave up."""


class GifsicleError(GifError):
    """gifsicle is there and fails."""


class BudgetError(GifError):
    """Nothing that is worth looking at fits into the bytes allowed."""


class OutputError(GifError):
    """A file can't be written: disk full, no permission, read-only file system."""


def explain(error: OSError, path: Path) -> OutputError:
    """Say in one sentence what kept ``path`` from being written."""
    if error.errno == errno.ENOSPC:
        return OutputError(f"the disk is full: {path} was not written; free some space and run again")
    return OutputError(f"{path} can't be written ({error.strerror or error}); name another place with -o")
