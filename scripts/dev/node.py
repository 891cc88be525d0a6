"""Node and npm: the machine's own, or from PyPI where it has none that will do; and the page, built with them.

    python3 -m scripts.dev.node page             # web/dist, where it is not what the sources give
    python3 -m scripts.dev.node npm run check    # npm in web/, with the packages of its lock file

Runs on the machine's own Python before anything is installed: the standard library only. nodeenv was looked at in place
of the package from PyPI: it downloads from nodejs.org, which not every network lets through. Make was looked at in
place of the stamps: it doesn't see a source that is gone, and takes a checkout for an edit.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.core.errors import PipelineError
from pipeline.core.files import replace_dir, write_text
from scripts.dev import environment
from scripts.dev.environment import SetupError

WEB: Final = Path("web")
DIST: Final = Path("dist")  # in WEB
ENVIRONMENT: Final = Path(".venv-node")
LOCK: Final = Path("requirements/node.lock")
STAMP: Final = ".made-from"  # what packages or page were made from: removed before a change, written last
NOT_SOURCES: Final = {"node_modules", "dist", "site", "bench"}  # in WEB
SHOWN_ON_FAILURE: Final = 25  # last lines


def fits(version: str) -> bool:
    """Whether Vite runs on a Node that calls itself so (`v22.20.0`): 20.19 and later of 20, and all from 22.12 on."""
    try:
        major, minor = (int(part) for part in version.strip().removeprefix("v").split(".")[:2])
    except ValueError:
        return False
    return (major, minor) >= (22, 12) if major != 20 else minor >= 19


def env() -> dict[str, str]:
    """The variables with which `node` and `npm` are found: the machine's, or those of an environment made for them.

    Raises:
        PipelineError: the machine has none that fit, and they could not be installed.
    """
    if shutil.which("npm") and fits(_version(os.environ)):
        return dict(os.environ)
    try:
        environment.make(LOCK, ENVIRONMENT)
    except SetupError as error:
        raise PipelineError(str(error)) from error
    programs = (ENVIRONMENT / "bin").resolve()
    return {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def _version(env: Mapping[str, str]) -> str:
    try:
        return subprocess.run(["node", "--version"], env=env, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def packages(web: Path, env: Mapping[str, str]) -> None:
    """Bring ``web``/node_modules to what the lock file says, where it is not there already.

    Raises:
        PipelineError: npm failed; its last lines are in the text.
    """
    stamp = web / "node_modules" / STAMP
    lock = web / "package-lock.json"
    wanted = hashlib.sha256(lock.read_bytes() + _version(env).strip().encode()).hexdigest()
    if environment.stamped(stamp, wanted):
        return
    print(f"Setting up {web / 'node_modules'} from {lock}", flush=True)
    stamp.unlink(missing_ok=True)
    _run(["npm", "ci", "--no-audit", "--no-fund"], web, env)
    stamp.write_text(wanted, encoding="utf-8")


def page(web: Path = WEB) -> bool:
    """Build ``web``/dist where it is not what the sources give; return whether it was.

    Raises:
        PipelineError: there is no Node, or npm failed; its last lines are in the text, and the page is as it was.
    """
    wanted = identity(web)
    if environment.stamped(web / DIST / STAMP, wanted):
        return False
    build("build", web / DIST, web, wanted)
    return True


def build(script: str, target: Path, web: Path, made_from: str) -> None:
    """Run an npm script that ends in `vite build`; ``target`` takes its place when all of it is there.

    Raises:
        PipelineError: it failed; its last lines are in the text, and ``target`` is as it was.
    """
    variables = env()
    packages(web, variables)
    print(f"Building {target}", flush=True)
    with replace_dir(target) as new:
        _run(["npm", "run", script, "--", "--outDir", str(new.resolve()), "--emptyOutDir"], web, variables)
        write_text(new / STAMP, made_from)


def identity(web: Path) -> str:
    """A hash of the names and contents of all that the page is built from."""
    digest = hashlib.sha256()
    for top in sorted(web.iterdir()):
        if top.name in NOT_SOURCES or (top.name.startswith(".") and top.name != ".npmrc"):
            continue
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file():
                data = path.read_bytes()
                digest.update(f"{path.relative_to(web).as_posix()}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def _run(command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
    done = subprocess.run(
        command, cwd=cwd, env=env, text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        last = "".join(done.stdout.splitlines(keepends=True)[-SHOWN_ON_FAILURE:])
        raise PipelineError(f"{last}`{' '.join(command[:3])}` failed in {cwd} (see above)")


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; exit status 0, npm's, 1 with a sentence, 2 for a wrong call."""
    try:
        environment.require()
        if list(arguments) == ["page"]:
            page()
            return 0
        if len(arguments) > 1 and arguments[0] == "npm":
            variables = env()
            packages(WEB, variables)
            return subprocess.run(list(arguments), cwd=WEB, env=variables, check=False).returncode
    except (SetupError, PipelineError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print("usage: node.py page | npm ARGUMENT…", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
