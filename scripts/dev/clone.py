"""A fresh clone of the last commit, with its photos: nothing in it but what git and DVC bring."""

import os
import subprocess
from pathlib import Path

from pipeline.core.errors import PipelineError

# What this shell may carry that a user's fresh one would not: an experiment's names, another MLflow store.
FORGOTTEN = (
    "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "DVC_STAGE", "DVC_ROOT", "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID",
)  # fmt: skip


def environment() -> dict[str, str]:
    """The variables for commands in a clone: this environment's programs, none of its experiments."""
    return {name: value for name, value in os.environ.items() if name not in FORGOTTEN}


def run(folder: Path, *command: str) -> None:
    """Run a command in ``folder``.

    Raises:
        PipelineError: it failed; it has said why.
    """
    if subprocess.run(command, cwd=folder, env=environment(), check=False).returncode:
        raise PipelineError(f"{' '.join(command)} failed in {folder} (see above)")


def fresh_clone(into: Path) -> Path:
    """Clone the last commit into the folder ``into`` and pull its photos from the remote in it.

    Raises:
        PipelineError: git or dvc failed; they have said why.
    """
    run(Path(), "git", "clone", "--quiet", "--no-local", str(Path().resolve()), str(into))
    run(into, "dvc", "pull", "--quiet", "data.dvc")
    return into
