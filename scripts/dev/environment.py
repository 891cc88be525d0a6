"""Make a virtual environment from a lock file, or do nothing where it stands already.

    python3 scripts/dev/environment.py requirements/pipeline.lock .venv

Runs on the machine's own Python before anything is installed: the standard library only, and a syntax that an
older Python can read far enough to say what is missing. A stamp inside the environment holds what it was made
from; it is removed before any change and written last, so that an interrupted set-up is done again.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
STAMP = "made-from"  # the environment's file that holds `identity()`
UV = "uv==0.13.9"
PIP_TO_UV = {  # pip's options, and the variables by which uv has them
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
}


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
        SetupError: this machine lacks something, or the packages could not be installed.
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
    """Install the lock with uv, which takes a quarter of pip's time; with pip where uv can't.

    Raises:
        SetupError: neither could; what they said was printed.
    """
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--no-input", "--quiet"]
    uv = [str(python), "-m", "uv", "pip", "install", "--python", str(python)]
    if not subprocess.call([*pip, UV]) and not subprocess.call([*uv, "-r", str(lock)], env=uv_settings(python)):
        return
    print("uv could not install that; pip tries it, which takes some minutes", flush=True)
    if subprocess.call([*pip, "-r", str(lock)]):
        raise SetupError(f"{lock} could not be installed (see above); run the same command again")


def uv_settings(python: Path) -> dict[str, str]:
    """This process's environment, with what the machine's pip is configured to do said in uv's words.

    uv reads no pip.conf: on a machine with a mirror or a company's certificate it would ask the public registry.
    """
    listed = subprocess.run(
        [str(python), "-m", "pip", "config", "list"], stdout=subprocess.PIPE, text=True, check=False
    )
    said: dict[str, dict[str, str]] = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        section, _, option = name.rpartition(".")
        said.setdefault(section, {})[option] = " ".join(ast.literal_eval(value).split())
    # As pip has it: what is said of `pip install` holds before what is said of all commands, its variables before both.
    options = said.get("global", {}) | said.get("install", {}) | said.get(":env:", {})
    settings = {variable: options[option] for option, variable in PIP_TO_UV.items() if option in options}
    if "UV_FIND_LINKS" in settings:
        settings["UV_FIND_LINKS"] = ",".join(settings["UV_FIND_LINKS"].split())
    return {"UV_INDEX_STRATEGY": "unsafe-best-match", **settings, **os.environ}  # pip's own: the best of all indexes


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
