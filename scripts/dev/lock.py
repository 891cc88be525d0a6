"""Write requirements/pipeline.lock from .venv, after `pip install -r requirements/pipeline.in`.

`python -m scripts.dev.lock bench` writes bench.lock from .venv-bench.

A lock holds names and exact versions and nothing that ties it to a machine: no registry, no path,
no local version (`+cpu`), no CUDA part, which comes with torch where it is wanted. No hashes either: the same
pin of torch is a build for CPU on one machine and for CUDA on another.
"""

import re
import subprocess
import sys
from pathlib import Path

ENVIRONMENTS = {"pipeline": Path(".venv"), "bench": Path(".venv-bench"), "scale": Path(".venv-scale")}
TIED_TO_A_MACHINE = re.compile(r"^(nvidia-|cuda-|triton\b|pip==)|@")


def lock_lines(freeze: str) -> list[str]:
    """The lock's lines from `pip freeze --all`: sorted pins, less what is tied to a machine."""
    pins = (line.split("+")[0].strip() for line in freeze.splitlines())
    return sorted((pin for pin in pins if pin and not TIED_TO_A_MACHINE.search(pin)), key=str.lower)


def main(arguments: list[str]) -> int:
    """Write the lock of what is installed now."""
    name = arguments[0] if arguments else "pipeline"
    lock = Path(f"requirements/{name}.lock")
    command = [str(ENVIRONMENTS[name] / "bin" / "python"), "-m", "pip", "freeze", "--all"]
    lines = lock_lines(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    head = f"# What {name}.in resolves to; CONTRIBUTING.md says how to renew it."
    lock.write_text("\n".join([head, *lines, ""]), encoding="utf-8")
    print(f"{lock}: {len(lines)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
