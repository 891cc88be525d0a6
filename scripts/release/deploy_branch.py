"""Put a commit and the promoted model on a branch that hosts build from: `python -m scripts.release.deploy_branch`.

Git does not hold models, so a host that builds from a repository would build without one. The branch `deploy` is
one commit on top of the current one that adds models/promoted/, byte for byte. It is made anew each time, so old
models don't pile up, and neither the working tree nor the current branch nor its index is touched. It is for pushing:

    git push --force origin deploy
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

import bundle
from pipeline.core.errors import PipelineError, run_stage
from scripts.release.image import INPUTS, PROMOTED, ROOT, git, promoted

BRANCH = "deploy"


def make(root: Path) -> str:
    """Make the branch; what is on it, in a sentence.

    Raises:
        PipelineError: there is no sound promoted model, or what would be built is not committed.
    """
    manifest = promoted(root)
    if changed := git(root, "status", "--porcelain", "--", *INPUTS):
        first = changed.splitlines()[0].split(maxsplit=1)[1]
        raise PipelineError(f"{first} is not committed, so the host would build something else: commit it first")
    if git(root, "branch", "--show-current") == BRANCH:
        raise PipelineError(f"this is the branch {BRANCH}, which is made anew each time: go back to yours first")
    head = git(root, "rev-parse", "HEAD")
    with tempfile.TemporaryDirectory() as scratch:
        on = partial(git, root, index=Path(scratch) / "index")
        on("read-tree", head)
        lines = []
        for name in sorted((bundle.MANIFEST, *manifest.files)):
            path = PROMOTED / name
            # no filters: not a byte may change, or the bundle is damaged
            blob = on("hash-object", "-w", "--no-filters", "--", str(path))
            lines.append(f"100644 {blob}\t{path.as_posix()}\n")
        on("update-index", "--add", "--index-info", stdin="".join(lines))
        message = f"{manifest.version} on {head[:12]}\n\nMade by `make deploy-branch`, which replaces it.\n"
        commit = on("commit-tree", on("write-tree"), "-p", head, "-m", message)
    git(root, "update-ref", f"refs/heads/{BRANCH}", commit)
    return f"branch {BRANCH}: {manifest.version} on {head[:12]}. Now: git push --force origin {BRANCH}"


if __name__ == "__main__":
    sys.exit(run_stage(lambda: print(make(ROOT))))
