"""Which recordings there are: a list that one stage writes and the next reads."""

import csv
import hashlib
import io
from pathlib import Path

from pipeline.core import files

FOLDER = Path("data/recordings")
LIST = Path("build/recordings.csv")
TEXTS = {".txt", ".md", ".yaml", ".yml"}  # what belongs to a recording and is none


def write() -> int:
    """Write the list of all files in the folder with their sha256; how many there are."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "sha256"])
    found = _files()
    for path in found:
        with path.open("rb") as file:
            table.writerow([path.name, hashlib.file_digest(file, "sha256").hexdigest()])
    files.write_text(LIST, text.getvalue())
    return len(found)


def films() -> list[Path]:
    """The recordings of the list, by name; texts are none."""
    with LIST.open(newline="", encoding="utf-8") as file:
        listed = [FOLDER / row["file"] for row in csv.DictReader(file)]
    return [path for path in listed if path.suffix.lower() not in TEXTS]


def _files() -> list[Path]:
    if not FOLDER.is_dir():
        return []
    return sorted(path for path in FOLDER.iterdir() if path.is_file() and not path.name.startswith("."))
