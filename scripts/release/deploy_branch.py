"""Put a commit and the promoted model on a branch that hosts build from: `python -m scripts.release.deploy_branch`.

Git does not hold models, so a host that builds from a repository would build without one. The branch `deploy` is
one commit on top of the current one that adds models/promoted/, byte for byte. It is made anew each time, so old
models don't pile up, and neither the working tree nor the current branch nor its index is touched. It is for pushing:

    git push --force origin deploy
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import bundle
from bundle.errors import BundleError
from pipeline.core.errors import PipelineError, run_stage
from scripts.release.image import INPUTS, PROMOTED, ROOT

BRANCH = "deploy"


class DeployError(PipelineError):
    """Why there is no branch, in one sentence with the way out."""


class Git:
    """Git in one checkout; with an index of its own, if one is named."""

    def __init__(self, root: Path, index: Path | None = None) -> None:
        self._root = root
        self._environment = os.environ | ({"GIT_INDEX_FILE": str(index)} if index else {})

    def __call__(self, *words: str, stdin: str | None = None) -> str:
        """What git prints.

        Raises:
            DeployError: it refuses; its own words are in the text.
        """
        done = subprocess.run(
            ["git", *words],
            cwd=self._root,
            env=self._environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DeployError(f"git {words[0]}: {done.stderr.strip()}")
        return done.stdout.strip()


def make(root: Path) -> str:
    """Make the branch; what is on it, in a sentence.

    Raises:
        DeployError: there is no sound promoted model, or what would be built is not committed.
    """
    try:
        promoted = bundle.load(root / PROMOTED)
    except BundleError as error:
        raise DeployError(str(error)) from error
    with tempfile.TemporaryDirectory() as scratch:
        plain = Git(root)
        changed = plain("status", "--porcelain", "--", *INPUTS)
        if changed:
            first = changed.splitlines()[0].split(maxsplit=1)[1]
            raise DeployError(f"{first} is not committed, so the host would build something else: commit it first")
        if plain("branch", "--show-current") == BRANCH:
            raise DeployError(f"this is the branch {BRANCH}, which is made anew each time: go back to yours first")
        head = plain("rev-parse", "HEAD")
        git = Git(root, Path(scratch) / "index")
        git("read-tree", head)
        lines = []
        for name in sorted((bundle.MANIFEST, *promoted.manifest.files)):
            path = PROMOTED / name
            # no filters: not a byte may change, or the bundle is damaged
            blob = git("hash-object", "-w", "--no-filters", "--", str(path))
            lines.append(f"100644 {blob}\t{path.as_posix()}")
        git("update-index", "--add", "--index-info", stdin="\n".join(lines) + "\n")
        message = f"{promoted.manifest.version} on {head[:12]}\n\nMade by `make deploy-branch`, which replaces it.\n"
        commit = git("commit-tree", git("write-tree"), "-p", head, "-m", message)
        git("update-ref", f"refs/heads/{BRANCH}", commit)
    return f"branch {BRANCH}: {promoted.manifest.version} on {head[:12]}. Now: git push --force origin {BRANCH}"


def main() -> int:
    """The exit status."""
    return run_stage(lambda: print(make(ROOT)))


if __name__ == "__main__":
    sys.exit(main())
