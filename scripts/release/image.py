"""Build the service's image, with labels that say which code and which model it holds.

    python -m scripts.release.image                      # art-text-plant:latest, with Docker
    python -m scripts.release.image --tag art-text-plant:1.2.0
    python -m scripts.release.image --arguments          # only print what goes to `docker build`, a word a line

Without a promoted model it fails with a sentence; `--no-model` builds an image that takes it from a registry.
"""

import argparse
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import bundle
from bundle.errors import BundleError
from pipeline.core.errors import PipelineError, run_stage

ROOT = Path(__file__).parents[2]
DOCKERFILE = Path("deploy/Dockerfile")
PROMOTED = Path("models/promoted")
TAG = "art-text-plant:latest"
INPUTS = (
    ".dockerignore",
    "LICENSE",
    "deploy",
    "requirements/service.lock",
    "service",
    "web",
)  # of the image, in git


class ImageError(PipelineError):
    """Why there is no image, in one sentence with the way out."""


def arguments(root: Path, with_model: bool = True) -> list[str]:
    """The words for `docker build` that tell the Dockerfile what it makes.

    Raises:
        ImageError: there is no sound promoted model, or this is no git repository.
    """
    values = {"VERSION": version(root), "REVISION": revision(root)}
    if with_model:
        try:
            manifest = bundle.load(root / PROMOTED).manifest
        except BundleError as error:
            raise ImageError(str(error)) from error
        values |= {"MODEL_VERSION": manifest.version, "MODEL_FINGERPRINT": bundle.fingerprint(manifest)}
    else:
        values["BUNDLE"] = ""
    return [word for name, value in values.items() for word in ("--build-arg", f"{name}={value}")]


def version(root: Path) -> str:
    """Of the project, as pyproject.toml has it."""
    return str(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])


def revision(root: Path) -> str:
    """The commit, with -dirty where what goes into the image is not what it holds.

    Raises:
        ImageError: git doesn't know.
    """
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--", *INPUTS)
    return f"{commit}-dirty" if changed else commit


def build(root: Path, tag: str, words: Sequence[str]) -> None:
    """Build the image.

    Raises:
        ImageError: there is no Docker, or the build failed; its own words are on the terminal.
    """
    if shutil.which("docker") is None:
        raise ImageError("there is no docker here; https://docs.docker.com/engine/install says how to get it")
    command = ["docker", "build", "--file", str(DOCKERFILE), "--tag", tag, *words, "."]
    if subprocess.run(command, cwd=root, check=False).returncode:
        raise ImageError("docker could not build the image; its last lines above say why")
    size = subprocess.run(
        ["docker", "image", "inspect", "--format", "{{.Size}}", tag],
        check=True,
        capture_output=True,
        text=True,
    )
    print(f"{tag}: {int(size.stdout) / 1e6:.0f} MB. docker run --rm -p 127.0.0.1:8000:8000 {tag}")


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ImageError(f"git can't say which commit this is: {done.stderr.strip() or 'there is none yet'}")
    return done.stdout.strip()


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.release.image",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tag", default=TAG, help=f"name of the image [{TAG}]")
    parser.add_argument("--no-model", action="store_true", help="bake no model in")
    parser.add_argument("--arguments", action="store_true", help="print the arguments and build nothing")
    given = parser.parse_args(argv)

    def make() -> None:
        words = arguments(ROOT, not given.no_model)
        if given.arguments:
            print(*words, sep="\n")
        else:
            build(ROOT, given.tag, words)

    return run_stage(make)


if __name__ == "__main__":
    sys.exit(main())
