"""Does the same commit give the same model? Rebuild it twice in fresh clones and compare the bytes.

The clones lie at paths of different lengths, so that a path that got into a file shows as well. Takes twice
the time of a training.
"""

import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scripts.dev.clone import environment, fresh_clone, uncommitted

COMPARED = ("model.onnx", "model.int8.onnx")
BUNDLE = Path("build/export")
CLONES = ("one", "another clone")  # the second also has a space in its path


def digests(bundle: Path) -> dict[str, str]:
    """sha256 of the compared files, of those that exist: int8 is there only where it passed its gates."""
    found = (bundle / name for name in COMPARED if (bundle / name).exists())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def verdict(first: dict[str, str], second: dict[str, str]) -> tuple[str, bool]:
    """A table of the compared files, and whether there is a model and all of it is the same."""
    lines = []
    for name in sorted(first.keys() | second.keys()):
        one, other = first.get(name, "missing"), second.get(name, "missing")
        lines.append(f"  {name:16} {one[:16]:16}  {other[:16]:16}  {'same' if one == other else 'DIFFERENT'}")
    return "\n".join(lines or ["  no model was built"]), bool(first) and first == second


def main() -> int:
    """Exit status 0 where both rebuilds gave the same bytes, 1 where not."""
    if left_out := uncommitted():
        print(f"note: the last commit is verified, without what is not committed: {', '.join(left_out[:5])}")
    built = []
    try:
        with tempfile.TemporaryDirectory(prefix="verify-") as folder:
            for name in CLONES:
                started = time.monotonic()
                print(f"== rebuilding in a fresh clone: {name}", flush=True)
                clone = fresh_clone(Path(folder) / name)
                subprocess.run(["dvc", "repro", "export"], cwd=clone, env=environment(), check=True)
                built.append(digests(clone / BUNDLE))
                print(f"== {name}: {time.monotonic() - started:.0f} s", flush=True)
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(map(str, error.cmd))} failed in a fresh clone (see above)", file=sys.stderr)
        return 1
    table, same = verdict(*built)
    print(f"\n{table}\n\n{'The model is the same, byte for byte.' if same else 'The two rebuilds differ.'}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
