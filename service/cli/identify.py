"""The command ``identify``: what is in these photos?"""

import argparse
import csv
import glob
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import bundle
from bundle import engine
from bundle.answer import Answer
from bundle.errors import PictureError

NONE_OF_THESE: Final = "none of these"
MAX_BYTES: Final = 100_000_000  # no photo is larger; keeps /dev/zero and disk images out of memory
SHOWN: Final = 3  # probabilities in a line
SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")  # what is taken from a folder

DESCRIPTION: Final = """\
Say what is in each photo (JPEG, PNG or WebP), by the promoted model: a label, or "none of these".

A folder stands for all photos in it and below, a pattern in quotes ("holiday/**/*.jpg") for all that match.
With --json it prints the object that the service answers with, one on a line (with its "file", if there are several):
  {"label": "plant" or null, "probabilities": {...}, "score": 0.98, "threshold": 0.6, "model": "…", "timing_ms": {...}}
with --csv a row for each photo."""

EPILOG: Final = """\
exit status: 0 every photo was answered; 1 a photo or the model could not be used (the others are answered all
the same, each error is a line on stderr); 2 wrong usage. On a terminal, stderr also shows how far it is.

examples:
  python -m service identify photo.jpg
  python -m service identify --csv holiday > holiday.csv"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="a picture file, a folder, or a pattern")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON lines")
    form.add_argument("--csv", action="store_true", help="print comma-separated values")
    folder = "folder of the model (default: %(default)s)"
    parser.add_argument("--bundle", type=Path, default=bundle.DEFAULT_FOLDER, metavar="DIR", help=folder)
    variant = "which of its models (default: as the service chooses)"
    parser.add_argument("--variant", choices=("fp32", "bf16", "int8"), help=variant)


def run(arguments: argparse.Namespace) -> int:
    """Answer every photo; the exit status.

    Raises:
        BundleError: the model can't be used.
    """
    model = engine.load(bundle.load(arguments.bundle), arguments.variant)
    photos, failed = list(_photos(arguments.photos)), False
    rows = csv.writer(sys.stdout, lineterminator="\n")
    if arguments.csv:
        rows.writerow(["file", "label", "score", "threshold", *model.labels])
    with_progress = len(photos) > 1 and sys.stderr.isatty() and not sys.stdout.isatty()
    for number, (photo, error) in enumerate(photos, 1):
        try:
            if error is not None:
                raise error
            answer = model.identify(_read(photo))
            values = answer.to_json()
            if arguments.csv:
                numbers = [values["score"], values["threshold"], *values["probabilities"].values()]
                rows.writerow([str(photo), answer.label or "", *numbers])
            elif arguments.json:
                file = {"file": str(photo)} if len(photos) > 1 else {}
                print(json.dumps(file | values, ensure_ascii=False))
            else:
                print(f"{_shown(photo)}  {_sentence(answer)}")
            sys.stdout.flush()
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
        path, found = Path(name), [Path(name)]
        why = ""
        if path.is_dir():
            found = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
            why = f"there is no photo in this folder; {', '.join(SUFFIXES)} are looked for"
        elif glob.has_magic(name) and not path.exists():
            found = sorted(map(Path, glob.glob(name, recursive=True)))  # noqa: PTH207  # Path.glob takes no absolute one
            why = "nothing matches this pattern; check it"
        yield from ((file, None) for file in found) if found else [(path, PictureError(why))]


def _sentence(answer: Answer) -> str:
    likeliest = sorted(answer.probabilities.items(), key=lambda item: -item[1])[:SHOWN]
    probabilities = "  ".join(f"{label} {probability:.3f}" for label, probability in likeliest)
    return f"{answer.label or NONE_OF_THESE}  ({probabilities})"


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
