"""What can go wrong with a GIF, said so that a person can act on it."""

import errno
from pathlib import Path


class GifError(Exception):
    """An error of the converter; the text names the file and the way out. Shown without a traceback."""


class GifsicleError(GifError):
    """gifsicle is there and fails; the search goes on without it."""


def explain(error: OSError, path: Path) -> GifError:
    """Say in one sentence what kept ``path`` from being written."""
    if error.errno == errno.ENOSPC:
        return GifError(f"the disk is full: {path} was not written; free some space and run again")
    return GifError(f"{path} can't be written ({error.strerror or error}); name another place with -o")
