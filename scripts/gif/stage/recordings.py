"""The stage ``recordings``: which recordings there are, so that an edit of a photo makes no GIF again.

data/recordings/ need not be there; a stage that depended on it would fail then. This one depends on data/ and takes
a moment, and the stage ``gif`` runs only when the list that this writes is another.
"""

import hashlib
import sys
from pathlib import Path

from pipeline.core import files
from pipeline.core.errors import run_stage

FOLDER = Path("data/recordings")
LIST = Path("build/recordings.csv")
TEXTS = {".txt", ".md", ".yaml", ".yml"}  # what belongs to a recording and is none


def write() -> None:
    """Write the list of all files in the folder with their sha256."""
    found = _files()
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()},{path.name}" for path in found]
    files.write_text(LIST, "\n".join(["sha256,file", *lines, ""]))
    print(f"{FOLDER}: {len(found)} files -> {LIST}")


def films() -> list[Path]:
    """The recordings, by name; texts are none."""
    return [path for path in _files() if path.suffix.lower() not in TEXTS]


def _files() -> list[Path]:
    return sorted(path for path in FOLDER.glob("[!.]*") if path.is_file())


if __name__ == "__main__":
    sys.exit(run_stage(write, description=__doc__))
