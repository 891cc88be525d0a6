"""The command ``identify``: what is in these photos?"""

import argparse
import csv
import glob
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import bundle
from bundle.answer import Answer
from bundle.engine import Engine
from bundle.errors import PictureError

NONE_OF_THESE: Final = "none of these"
MAX_BYTES: Final = 100_000_000  # no photo is larger; keeps /dev/zero and disk images out of memory
SHOWN: Final = 3  # probabilities in a row of the table
SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")  # what is taken from a folder

DESCRIPTION: Final = """\
Say what is in each photo (JPEG, PNG or WebP), by the promoted model: a label, or "none of these".

A folder stands for all photos in it and below, a pattern in quotes ("holiday/**/*.jpg") for all that match.
With --json it prints the object that the service answers with:
  {"label": "plant" or null, "probabilities": {"art": 0.01, ...}, "score": 0.98, "threshold": 0.6, "model": "...",
   "timing_ms": {...}}
one on a line for several photos (JSON lines), each with its "file" besides; with --csv a row for each photo."""

EPILOG: Final = """\
exit status: 0 every photo was answered; 1 a photo or the model could not be used (the others are answered all
the same, each error is a line on stderr); 2 wrong usage. On a terminal, stderr also shows how far it is.

examples:
  python -m service identify photo.jpg
  python -m service identify --csv holiday > holiday.csv
  python -m service identify --json photos/*.jpg | jq .label"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="a picture file, a folder, or a pattern")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON lines rather than a table")
    form.add_argument("--csv", action="store_true", help="print comma-separated values rather than a table")
    parser.add_argument(
        "--bundle",
        type=Path,
        default=bundle.DEFAULT_FOLDER,
        metavar="DIR",
        help="folder of the model (default: %(default)s)",
    )
    parser.add_argument(
        "--variant",
        choices=("fp32", "bf16", "int8"),
        help="which of its models (default: the one that the bundle names)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Answer every photo; the exit status.

    Raises:
        BundleError: the model can't be used.
    """
    engine = Engine(bundle.load(arguments.bundle), arguments.variant)
    engine.check_golden()
    photos, failed = list(_photos(arguments.photos)), False
    found = [photo for photo, error in photos if error is None]
    output: _Output = _Table(found, engine.labels)
    if arguments.json:
        output = _JsonLines(several=len(photos) > 1)
    elif arguments.csv:
        output = _Csv(engine.labels)
    with_progress = len(photos) > 1 and sys.stderr.isatty() and not sys.stdout.isatty()
    for number, (photo, error) in enumerate(photos, 1):
        try:
            if error is not None:
                raise error
            output.print(photo, engine.identify(_read(photo)))
        except PictureError as why:
            failed = True
            print(f"error: {_shown(photo)}: {why}", file=sys.stderr)
        if with_progress:
            end = "\n" if number == len(photos) else "\r"
            print(f"{number} of {len(photos)}", end=end, file=sys.stderr, flush=True)
    return 1 if failed else 0


def _photos(names: Sequence[str]) -> Iterator[tuple[Path, PictureError | None]]:
    """The files that are meant, in order, each with what is wrong about it already."""
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
            nothing = PictureError(f"there is no photo in this folder; {', '.join(SUFFIXES)} are looked for")
            yield from ((file, None) for file in inside) if inside else [(path, nothing)]
        elif path.exists() or not glob.has_magic(name):
            yield path, None
        else:
            matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207  # Path.glob takes no absolute pattern
            nothing = PictureError("nothing matches this pattern; check it")
            yield from ((Path(match), None) for match in matches) if matches else [(path, nothing)]


class _Output(Protocol):
    def print(self, photo: Path, answer: Answer) -> None:
        """Print the answer for a photo."""


class _JsonLines:
    def __init__(self, several: bool) -> None:
        self._several = several

    def print(self, photo: Path, answer: Answer) -> None:
        values = {"file": str(photo)} | answer.to_json() if self._several else answer.to_json()
        print(json.dumps(values, ensure_ascii=False), flush=True)


class _Csv:
    def __init__(self, labels: Sequence[str]) -> None:
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._writer.writerow(["file", "label", "score", "threshold", *labels])

    def print(self, photo: Path, answer: Answer) -> None:
        values = answer.to_json()
        row = [str(photo), answer.label or "", values["score"], values["threshold"]]
        self._writer.writerow([*row, *values["probabilities"].values()])
        sys.stdout.flush()


class _Table:
    """Rows that are printed as they come; widths are known beforehand from the names and the labels."""

    def __init__(self, photos: Sequence[Path], labels: Sequence[str]) -> None:
        self._photo = max([len("photo"), *(len(_shown(photo)) for photo in photos)])
        self._label = max(len(NONE_OF_THESE), *(len(label) for label in labels))
        self._begun = False

    def print(self, photo: Path, answer: Answer) -> None:
        if not self._begun:
            self._begun = True
            print(f"{'photo':{self._photo}}  {'answer':{self._label}}  {'ms':>6}  probabilities")
        milliseconds = answer.timing.decode + answer.timing.queue + answer.timing.inference
        likeliest = sorted(answer.probabilities.items(), key=lambda item: -item[1])[:SHOWN]
        probabilities = "  ".join(f"{label} {probability:.3f}" for label, probability in likeliest)
        name, label = _shown(photo), answer.label or NONE_OF_THESE
        print(f"{name:{self._photo}}  {label:{self._label}}  {milliseconds:6.1f}  {probabilities}", flush=True)


def _read(photo: Path) -> bytes:
    """Read a photo, or say in a `PictureError` why not."""
    try:
        with photo.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise PictureError("there is no such file; check the name") from error
    except OSError as error:
        raise PictureError(f"it can't be read ({error.strerror})") from error
    if len(data) > MAX_BYTES:
        raise PictureError(f"it is larger than {MAX_BYTES // 1_000_000} MB; scale it down")
    return data


def _shown(path: Path) -> str:
    """A file name that can't drive the terminal."""
    name = str(path)
    return name if name.isprintable() else ascii(name)
