"""Does the same commit give the same model? Rebuild the last one twice in fresh clones and compare the bytes.

The clones lie at paths of different lengths, so that a path that got into a file shows as well. Takes twice
the time of a training.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

from pipeline.core.errors import PipelineError, run_stage
from scripts.bench.results import table, yes
from scripts.dev.clone import fresh_clone, run

BUNDLE = Path("build/export")
CLONES = ("one", "another clone")  # the second also has a space in its path


def digests(bundle: Path) -> dict[str, str]:
    """sha256 of each model file; int8 is there only where it passed its gates."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in bundle.glob("model*.onnx")}


def compare(first: dict[str, str], second: dict[str, str]) -> None:
    """Print a table of the files.

    Raises:
        PipelineError: there is no model, or not all of it is the same.
    """
    names = sorted(first.keys() | second.keys())
    pairs = [(name, first.get(name, "missing"), second.get(name, "missing")) for name in names]
    print(
        table(
            ("file", *CLONES, "same"), [(name, one[:16], other[:16], yes(one == other)) for name, one, other in pairs]
        )
    )
    if not first or first != second:
        raise PipelineError("the two rebuilds differ" if names else "no model was built")
    print("The model is the same, byte for byte.")


def verify() -> None:
    """Rebuild twice and compare.

    Raises:
        PipelineError: a rebuild failed, or they differ.
    """
    built = []
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        for name in CLONES:
            print(f"== rebuilding in a fresh clone: {name}", flush=True)
            clone = fresh_clone(Path(folder) / name)
            run(clone, "dvc", "repro", "export")
            built.append(digests(clone / BUNDLE))
    compare(*built)


if __name__ == "__main__":
    sys.exit(run_stage(verify, description=__doc__))
