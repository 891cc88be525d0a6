"""The command ``identify``: what is in these photos?"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import bundle
from bundle.answer import Answer
from bundle.engine import Engine
from bundle.errors import PictureError, UserError

NONE_OF_THESE: Final = "none of these"
MAX_BYTES: Final = 100_000_000  # no photo is larger; keeps /dev/zero and disk images out of memory
SHOWN: Final = 3  # probabilities in a row of the table

DESCRIPTION: Final = """\
Say what is in each photo (JPEG, PNG or WebP), by the promoted model: a label, or "none of these".

With --json it prints the object that the service answers with:
  {"label": "plant" or null, "probabilities": {"art": 0.01, ...}, "model": "...", "timing_ms": {...}}
one on a line for several photos, each with its "file" besides."""

EPILOG: Final = """\
exit status: 0 every photo was answered; 1 a photo or the model could not be used (the others are answered all
the same, each error is a line on stderr); 2 wrong usage.

examples:
  python -m service identify photo.jpg
  python -m service identify --json photos/*.jpg | jq .label"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("photos", nargs="+", metavar="PHOTO", type=Path, help="a picture file")
    parser.add_argument("--json", action="store_true", help="print JSON rather than a table")
    parser.add_argument(
        "--bundle",
        type=Path,
        default=bundle.DEFAULT_FOLDER,
        metavar="DIR",
        help="folder of the model (default: %(default)s)",
    )
    parser.add_argument(
        "--variant",
        choices=("fp32", "int8"),
        help="which of its models (default: the one that the bundle names)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer every photo; the exit status.

    Raises:
        BundleError: the model can't be used.
    """
    engine = Engine(bundle.load(arguments.bundle), arguments.variant)
    engine.check_golden()
    table = _Table(arguments.photos, engine.labels)
    failed = False
    for photo in arguments.photos:
        try:
            answer = engine.identify(_read(photo))
        except PictureError as error:
            failed = True
            complain(UserError(f"{_shown(photo)}: {error}"))
        else:
            if arguments.json:
                _print_json(photo, answer, several=len(arguments.photos) > 1)
            else:
                table.print(photo, answer)
    return 1 if failed else 0


def complain(error: UserError) -> None:
    """Print an error as one line on stderr."""
    print(f"error: {error}", file=sys.stderr)


def _print_json(photo: Path, answer: Answer, several: bool) -> None:
    values = {"file": str(photo)} | answer.to_json() if several else answer.to_json()
    print(json.dumps(values, ensure_ascii=False), flush=True)


class _Table:
    """Rows that are printed as they come; widths are known beforehand from the names and the labels."""

    def __init__(self, photos: Iterable[Path], labels: Iterable[str]) -> None:
        self._photo = max(len("photo"), *(len(_shown(photo)) for photo in photos))
        self._label = max(len(NONE_OF_THESE), *(len(label) for label in labels))
        self._begun = False

    def print(self, photo: Path, answer: Answer) -> None:
        """Print one row, and the head before the first."""
        if not self._begun:
            self._begun = True
            print(f"{'photo':{self._photo}}  {'answer':{self._label}}  {'ms':>6}  probabilities")
        milliseconds = answer.timing.decode + answer.timing.queue + answer.timing.inference
        likeliest = sorted(answer.probabilities.items(), key=lambda item: -item[1])[:SHOWN]
        probabilities = "  ".join(f"{label} {probability:.3f}" for label, probability in likeliest)
        name, label = _shown(photo), answer.label or NONE_OF_THESE
        print(
            f"{name:{self._photo}}  {label:{self._label}}  {milliseconds:6.1f}  {probabilities}", flush=True
        )


def _read(photo: Path) -> bytes:
    """Read a photo, or say in a `PictureError` why not."""
    try:
        with photo.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise PictureError("there is no such file; check the name") from error
    except IsADirectoryError as error:
        raise PictureError(f"this is a folder; name the photos in it, as in {_shown(photo)}/*.jpg") from error
    except OSError as error:
        raise PictureError(f"it can't be read ({error.strerror})") from error
    if len(data) > MAX_BYTES:
        raise PictureError(f"it is larger than {MAX_BYTES // 1_000_000} MB; scale it down")
    return data


def _shown(path: Path) -> str:
    """A file name that can't drive the terminal."""
    name = str(path)
    return name if name.isprintable() else ascii(name)
