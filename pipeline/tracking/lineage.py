"""Where a model comes from: the commit, the data and the configuration that made it."""

import hashlib
import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.core.config import PARAMS
from pipeline.core.errors import PipelineError

UNKNOWN = "unknown"
DATA = Path("data")
POINTER = Path("data.dvc")
OUTPUTS = ("params.yaml", "dvc.lock", "reports")  # tracked files that `dvc repro` writes: no sign of edited code
SOURCES = ("pipeline", "service", "conf")  # where a file that git doesn't know decides what is made


@dataclass(frozen=True)
class Lineage:
    """What decides a model, as known when the run starts.

    ``git_commit`` is 40 hex digits or "unknown" (no repository, or no commit in it yet); ``git_dirty`` says
    that code, configuration or data pointer differ from that commit; ``data_hash`` is DVC's md5 of data/;
    ``config_hash`` is the sha256 of ``config``, which is params.yaml; ``experiment`` is DVC's name for it.
    """

    git_commit: str
    git_dirty: bool
    data_hash: str
    config: dict[str, Any]
    config_hash: str
    experiment: str | None = None

    def tags(self) -> dict[str, str]:
        """As tags of an MLflow run."""
        tags = asdict(self) | {"git_dirty": str(self.git_dirty).lower(), "dvc_experiment": self.experiment}
        return {name: value for name, value in tags.items() if value and name not in ("config", "experiment")}


def lineage() -> Lineage:
    """Read the lineage of what runs in the current folder (an experiment's copy counts).

    Raises:
        PipelineError: git is missing or refuses, or params.yaml or data.dvc can't be read.
    """
    commit, dirty, config = UNKNOWN, False, _yaml(PARAMS)
    if any((folder / ".git").exists() for folder in (Path.cwd(), *Path.cwd().parents)):
        commit = _git("rev-parse", "--verify", "--quiet", "HEAD") or UNKNOWN
        edited = _git("status", "--porcelain", "-uno", "--", ".", *(f":!{name}" for name in OUTPUTS))
        dirty = bool(edited or _git("ls-files", "--others", "--exclude-standard", "--", *SOURCES))
    # Canonical JSON: order of keys and layout of the file don't matter.
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    config_hash = hashlib.sha256(text.encode()).hexdigest()
    return Lineage(commit, dirty, _data_hash(), config, config_hash, os.environ.get("DVC_EXP_NAME"))


def _data_hash() -> str:
    try:
        return str(_yaml(POINTER)["outs"][0]["md5"]) if POINTER.exists() else UNKNOWN
    except (KeyError, IndexError, TypeError) as error:
        raise PipelineError(f"{POINTER} names no data (outs: - md5: …); `dvc add data` writes it anew") from error


def _git(*arguments: str) -> str:
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PipelineError(
            "git is not installed (or not on PATH), and a model's lineage needs the commit: install git"
        ) from error
    if done.stderr and done.returncode:  # rev-parse fails silently where there is no commit yet
        raise PipelineError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def _yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise PipelineError(f"{path} can't be read: {error}; `dvc repro` or git brings it back") from error
    return values if isinstance(values, dict) else {}
