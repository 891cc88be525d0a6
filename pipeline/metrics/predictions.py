"""What a model answered for each photo, and which photos it was trained on: two small tables in its bundle.

They let promote compare two models on the photos that both know, without the photos and without running either.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from pipeline.core import files
from pipeline.core.errors import DataError

PREDICTIONS = "predictions.csv"  # in the bundle; written by evaluate
PHOTOS = "photos.csv"  # in the bundle; written by export


class Prediction(NamedTuple):
    """The answer of one variant for one photo, by a head that was fitted without the photo's source."""

    sha256: str  # of the photo's file
    group: str  # photos of one group are no independent evidence
    truth: str  # the photo's label, or the out-of-distribution label
    variant: str  # "fp32" or "int8"
    answer: str  # a label, or "" for none of these

    def right(self, labels: Iterable[str]) -> bool:
        """Whether the answer is what it should be: the photo's label, or "" where that is none of ``labels``."""
        return self.answer == (self.truth if self.truth in labels else "")


def read(path: Path) -> list[Prediction]:
    """Read a table of predictions.

    Raises:
        DataError: it is missing, or not as `write` writes it.
    """
    return [Prediction(*row) for row in _read(path, Prediction._fields)]


def write(path: Path, rows: Iterable[Prediction]) -> None:
    """Write predictions, sorted, so that the same predictions are the same bytes.

    Raises:
        StorageError: it can't be written.
    """
    _write(path, Prediction._fields, rows)


def read_photos(path: Path) -> dict[str, str]:
    """Read the side ("train", "valid" or "test") of each photo, by its sha256; errors as of `read`."""
    return {row[0]: row[1] for row in _read(path, ("sha256", "split"))}


def write_photos(path: Path, sides: Mapping[str, str]) -> None:
    """Write the side of each photo, by its sha256; see `write`."""
    _write(path, ("sha256", "split"), sides.items())


def _read(path: Path, columns: tuple[str, ...]) -> list[list[str]]:
    anew = "`dvc repro` makes the model anew"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file, strict=True)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing; {anew}") from error
    except (csv.Error, ValueError) as error:  # ValueError: empty, or no UTF-8
        raise DataError(f"{path} is damaged ({error}); {anew}") from error
    if head != list(columns) or any(len(row) != len(columns) for row in rows):
        raise DataError(f"{path} is damaged (its columns are not {','.join(columns)}); {anew}")
    return rows


def _write(path: Path, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *sorted(rows)])
    files.write_text(path, text.getvalue())
