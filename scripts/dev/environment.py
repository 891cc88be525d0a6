"""Make a virtual environment from a lock file, or do nothing where it stands already.

    python3 scripts/dev/environment.py requirements/pipeline.lock .venv

Runs on the machine's own Python before anything is installed: the standard library only, and a syntax that an
older Python can read far enough to say what is missing. (uv would do all of it, and would itself have to be installed.)
A stamp inside the environment holds what it was made from; it is removed before any change and written last, so that
an interrupted set-up is done again. Where a lock has hashes, pip checks them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

OLDEST = (3, 11)
STAMP = "made-from"  # the environment's file that holds `identity()`
SHOWN_ON_FAILURE = 25  # last lines of pip's output
BETWEEN_LINES = 5  # seconds between two lines of progress


class SetupError(Exception):
    """What is missing on this machine, in one sentence with the way out."""


def require(version: tuple[int, ...] = sys.version_info[:3]) -> None:
    """Check that this machine has what set-up needs.

    Raises:
        SetupError: Python is too old, its venv or pip part is not installed, or git is missing.
    """
    if version[:2] < OLDEST:
        raise SetupError(
            f"Python 3.11 or newer is needed, and {sys.executable} is {'.'.join(map(str, version))}; "
            "install one and name it: make PYTHON=python3.12 …"
        )
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        raise SetupError(
            f"{sys.executable} can't make virtual environments; on Debian and Ubuntu: apt-get install python3-venv"
        )
    if shutil.which("git") is None:
        raise SetupError("git is missing; on Debian and Ubuntu: apt-get install git")


def identity(lock: Path) -> str:
    """What an environment made now would be made from: this Python and the lock's packages."""
    text = f"{sys.version}\n{sys.base_prefix}\n{lock.read_text(encoding='utf-8')}"
    return hashlib.sha256(text.encode()).hexdigest()


def packages(lock: Path) -> list[str]:
    """The pinned packages of a lock file, one `name==version` each."""
    pins = (line.partition("#")[0].strip(" \\") for line in lock.read_text(encoding="utf-8").splitlines())
    return [pin for pin in pins if pin and not pin.startswith("--hash")]


def stamped(stamp: Path, wanted: str) -> bool:
    """Whether something was made, whole, from what it would be made from now."""
    return stamp.exists() and stamp.read_text(encoding="utf-8") == wanted


def make(lock: Path, folder: Path) -> bool:
    """Bring ``folder`` to what ``lock`` says; return whether anything had to be done.

    An environment whose stamp is missing is made anew; one made from another lock is changed in place.

    Raises:
        SetupError: this machine lacks something, or pip failed; its last lines are in the text.
    """
    require()
    stamp, python, wanted = folder / STAMP, folder / "bin" / "python", identity(lock)
    if stamped(stamp, wanted) and python.exists():
        return False
    print(f"Setting up {folder}: {len(packages(lock))} packages from {lock}", flush=True)
    if not (stamp.exists() and python.exists()):
        command = [sys.executable, "-m", "venv", "--clear", str(folder)]
        made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if made.returncode:
            raise SetupError(f"{made.stdout}{folder} could not be made")
    stamp.unlink(missing_ok=True)
    install(python, lock)
    stamp.write_text(wanted, encoding="utf-8")
    return True


def install(python: Path, lock: Path) -> None:
    """Let the environment's pip install the lock, with a line of progress every few seconds.

    Raises:
        SetupError: pip failed.
    """
    started = shown = time.monotonic()
    total, seen = len(packages(lock)), 0
    tail: deque[str] = deque(maxlen=SHOWN_ON_FAILURE)
    # -u: pip's lines as they come, else the progress shown lags behind by a buffer.
    command = [str(python), "-u", "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "-r", str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            tail.append(line)
            seen += line.startswith(("Collecting", "Requirement already satisfied"))
            now = time.monotonic()
            if line.startswith("Installing collected packages"):
                shown = float("inf")  # nothing more to count
                print(f"  {now - started:3.0f} s: all fetched, installing", flush=True)
            elif now - shown > BETWEEN_LINES:
                shown = now
                print(f"  {now - started:3.0f} s: {min(seen, total)} of {total} packages fetched", flush=True)
    if pip.returncode:
        raise SetupError(f"{''.join(tail)}pip could not install {lock} (see above); run the same command again")
    print(f"  {time.monotonic() - started:3.0f} s: done", flush=True)


def main(arguments: list[str]) -> int:
    """Run `make` on LOCK and FOLDER; exit status 0, 1 with a sentence, 2 for a wrong call."""
    if len(arguments) != 2:
        print("usage: environment.py LOCK FOLDER", file=sys.stderr)
        return 2
    try:
        make(Path(arguments[0]), Path(arguments[1]))
    except (SetupError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
