"""A fresh clone of the last commit, with its photos: nothing in it but what git and DVC bring."""

import os
import subprocess
from pathlib import Path

# What this shell may carry that a user's fresh one would not: an experiment's names, another MLflow store.
FORGOTTEN = (
    "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV", "DVC_STAGE", "DVC_ROOT", "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID",
)  # fmt: skip


def environment() -> dict[str, str]:
    """The variables for commands in a clone: this environment's programs, none of its experiments."""
    return {name: value for name, value in os.environ.items() if name not in FORGOTTEN}


def fresh_clone(into: Path, of: Path = Path()) -> Path:
    """Clone the last commit of ``of`` into the folder ``into`` and pull its photos from the remote in it.

    Raises:
        subprocess.CalledProcessError: git or dvc failed; they have said why.
    """
    subprocess.run(["git", "clone", "--quiet", "--no-local", of.resolve(), into], check=True)
    subprocess.run(["dvc", "pull", "--quiet", "data.dvc"], cwd=into, env=environment(), check=True)
    return into


def uncommitted() -> list[str]:
    """Files whose state the last commit does not have, as git names them."""
    status = subprocess.run(["git", "status", "--porcelain"], check=True, capture_output=True, text=True)
    return [line[3:] for line in status.stdout.splitlines()]
