"""The stage ``recordings``: which recordings there are, so that an edit of a photo makes no GIF again.

data/recordings/ need not be there; a stage that depended on it would fail then. This one depends on data/ and takes
a moment, and the stage ``gif`` runs only when the list that this writes is another.
"""

import csv
import hashlib
import io
import sys
from pathlib import Path

from pipeline import files
from pipeline.errors import run_stage

FOLDER = Path("data/recordings")
LIST = Path("build/recordings.csv")
TEXTS = {".txt", ".md", ".yaml", ".yml"}  # what belongs to a recording and is none


def films(folder: Path = FOLDER) -> list[Path]:
    """The recordings in ``folder``, by name; hidden files and texts are none."""
    return [path for path in _files(folder) if path.suffix.lower() not in TEXTS]


def write() -> None:
    """Write the list of all files in the folder with their sha256."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "sha256"])
    found = _files(FOLDER)
    for path in found:
        with path.open("rb") as file:
            table.writerow([path.name, hashlib.file_digest(file, "sha256").hexdigest()])
    files.write_text(LIST, text.getvalue())
    print(f"{FOLDER}: {len(found)} files -> {LIST}")


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


if __name__ == "__main__":
    sys.exit(run_stage(write, description=__doc__))
