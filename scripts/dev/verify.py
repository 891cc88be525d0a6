"""Does the same commit give the same model? Rebuild it twice in fresh clones and compare the bytes.

The clones lie at paths of different lengths, so that a path that got into a file shows as well. Takes twice
the time of a training.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from scripts.dev.clone import environment, fresh_clone, uncommitted

COMPARED = ("model.onnx", "model.int8.onnx")
BUNDLE = Path("build/export")
CLONES = ("one", "another clone")  # the second also has a space in its path


def rebuild(clone: Path) -> dict[str, str]:
    """Run the stages up to the bundle in ``clone``; return the sha256 of each compared file."""
    subprocess.run(["dvc", "repro", "export"], cwd=clone, env=environment(), check=True)
    return digests(clone / BUNDLE)


def digests(bundle: Path) -> dict[str, str]:
    """sha256 of the compared files, of those that exist: int8 is there only where it passed its gates."""
    return {
        name: hashlib.sha256((bundle / name).read_bytes()).hexdigest() for name in COMPARED if (bundle / name).exists()
    }


def verdict(first: dict[str, str], second: dict[str, str]) -> tuple[str, bool]:
    """A table of the compared files, and whether there is a model and all of it is the same."""
    names = [name for name in COMPARED if name in first or name in second]
    same = bool(names) and first == second
    lines = [
        f"  {name:16} {first.get(name, 'missing')[:16]:16}  {second.get(name, 'missing')[:16]:16}  "
        f"{'same' if first.get(name) == second.get(name) else 'DIFFERENT'}"
        for name in names
    ]
    return "\n".join(lines or ["  no model was built"]), same


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 0 where both rebuilds gave the same bytes, 1 where not."""
    argparse.ArgumentParser(prog="make verify", description=__doc__).parse_args(argv)
    if left_out := uncommitted():
        print(f"note: the last commit is verified, without what is not committed: {', '.join(left_out[:5])}")
    built = []
    try:
        with tempfile.TemporaryDirectory(prefix="verify-") as folder:
            for name in CLONES:
                started = time.monotonic()
                print(f"== rebuilding in a fresh clone: {name}", flush=True)
                built.append(rebuild(fresh_clone(Path(folder) / name)))
                print(f"== {name}: {time.monotonic() - started:.0f} s", flush=True)
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(map(str, error.cmd))} failed in a fresh clone (see above)", file=sys.stderr)
        return 1
    table, same = verdict(*built)
    print(f"\n{table}\n\n{'The model is the same, byte for byte.' if same else 'The two rebuilds differ.'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
