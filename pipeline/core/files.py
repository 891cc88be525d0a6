"""Files that appear whole or not at all: written beside their place, then renamed."""

import csv
import errno
import io
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.core.errors import StorageError


def explain(error: OSError, path: Path) -> StorageError:
    """Say in one sentence what kept ``path`` from being written."""
    if error.errno == errno.ENOSPC:
        return StorageError(f"the disk is full: {path} was not written; free some space and run again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(f"{path} can't be written ({error.strerror}); check the folder's permissions")
    return StorageError(f"{path} can't be written: {error.strerror or error}")


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically, making its folder.

    Raises:
        StorageError: the disk is full or the folder can't be written; ``path`` is as it was.
    """
    temporary = _beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        raise explain(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` atomically; see `write_bytes`."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON to ``path`` atomically; see `write_bytes`."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_csv(path: Path, columns: Iterable[str], rows: Iterable[Iterable[Any]], *, end: str = "\n") -> None:
    """Write a table with a line of column names to ``path`` atomically; see `write_bytes`."""
    text = io.StringIO()
    csv.writer(text, lineterminator=end).writerows([columns, *rows])
    write_text(path, text.getvalue())


def write_npz(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write named arrays to ``path`` atomically, as `numpy.load` reads them; see `write_bytes`."""
    import numpy as np  # here, as most of what writes files has no arrays

    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


@contextmanager
def replace_dir(path: Path) -> Iterator[Path]:
    """Give an empty folder beside ``path`` that takes its place when the block ends without an error.

    Folders can't be exchanged in one step portably: the old one is moved aside, the new one moved in, the old one
    removed. `recover_dir` mends what a kill between the two moves leaves.

    Raises:
        StorageError: the disk is full or the folder can't be written; ``path`` is as it was.
    """
    recover_dir(path)
    new = _beside(path)
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        yield new
        if path.exists():
            path.rename(_aside(path))
        new.rename(path)
    except OSError as error:
        raise explain(error, path) from error
    finally:
        recover_dir(path)
        shutil.rmtree(new, ignore_errors=True)


def recover_dir(path: Path) -> None:
    """Put back the folder that an interrupted `replace_dir` had moved aside, if its place is empty."""
    old = _aside(path)
    if old.is_dir():
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(path)


def _beside(path: Path) -> Path:
    """A name of this process's own, so that two processes never write one file."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")
