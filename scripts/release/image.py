"""Build the service's image, with labels that say which code and which model it holds.

    python -m scripts.release.image                      # art-text-plant:latest, with Docker
    python -m scripts.release.image --tag art-text-plant:1.2.0
    python -m scripts.release.image --arguments          # only print what goes to `docker build`, a word a line

Without a promoted model it fails with a sentence; `--no-model` builds an image that takes it from a registry.
"""

import argparse
import os
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
PROMOTED = Path("models/promoted")
TAG = "art-text-plant:latest"
INPUTS = (".dockerignore", "LICENSE", "bundle", "deploy", "requirements/service.lock", "service", "web")  # in git


def git(root: Path, *words: str, stdin: str | None = None, index: Path | None = None) -> str:
    """What git prints in one checkout; with an index of its own, if one is named.

    Raises:
        PipelineError: it refuses; its own words are in the text.
    """
    env = os.environ | ({"GIT_INDEX_FILE": str(index)} if index else {})
    done = subprocess.run(["git", *words], cwd=root, env=env, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PipelineError(f"git {words[0]}: {done.stderr.strip() or 'there is no commit yet'}")
    return done.stdout.strip()


def promoted(root: Path) -> bundle.Manifest:
    """What stands in the promoted model's manifest.

    Raises:
        PipelineError: there is no sound promoted model.
    """
    try:
        return bundle.load(root / PROMOTED).manifest
    except BundleError as error:
        raise PipelineError(str(error)) from error


def arguments(root: Path, with_model: bool = True) -> list[str]:
    """The words for `docker build` that tell the Dockerfile what it makes: the project's version, the commit (with
    -dirty where what goes into the image is not what it holds), the model.

    Raises:
        PipelineError: there is no sound promoted model, or this is no git repository.
    """
    commit = git(root, "rev-parse", "HEAD")
    changed = git(root, "status", "--porcelain", "--", *INPUTS)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    values = {"VERSION": str(project["version"]), "REVISION": f"{commit}-dirty" if changed else commit}
    if with_model:
        manifest = promoted(root)
        values |= {"MODEL_VERSION": manifest.version, "MODEL_FINGERPRINT": bundle.fingerprint(manifest)}
    else:
        values["BUNDLE"] = ""
    return [word for name, value in values.items() for word in ("--build-arg", f"{name}={value}")]


def build(root: Path, tag: str, words: Sequence[str]) -> None:
    """Build the image.

    Raises:
        PipelineError: there is no Docker, or the build failed; its own words are on the terminal.
    """
    if shutil.which("docker") is None:
        raise PipelineError("there is no docker here; https://docs.docker.com/engine/install says how to get it")
    command = ["docker", "build", "--file", "deploy/Dockerfile", "--tag", tag, *words, "."]
    if subprocess.run(command, cwd=root, check=False).returncode:
        raise PipelineError("docker could not build the image; its last lines above say why")
    print(f"{tag} is built. docker run --rm -p 127.0.0.1:8000:8000 {tag}")


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
