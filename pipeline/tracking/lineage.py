"""Where a model comes from: the commit, the data and the configuration that made it."""

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.core.config import PARAMS
from pipeline.core.errors import PipelineError

UNKNOWN = "unknown"
DATA = Path("data")
OUTPUTS = (
    "params.yaml",
    "dvc.lock",
    "reports/",
)  # tracked files that `dvc repro` writes: no sign of edited code
SOURCES = ("pipeline/", "service/", "conf/")  # where a file that git doesn't know decides what is made


@dataclass(frozen=True)
class Lineage:
    """What decides a model, as known when the run starts.

    ``git_commit`` is 40 hex digits or "unknown" (no repository, or no commit in it yet); ``git_dirty`` says
    that code, configuration or data pointer differ from that commit; ``data_hash`` is DVC's md5 of data/, or
    "sha256:…" over its files; ``config_hash`` is the sha256 of ``config``, which is params.yaml;
    ``experiment`` is DVC's name for it.
    """

    git_commit: str
    git_dirty: bool
    data_hash: str
    config: dict[str, Any]
    config_hash: str
    experiment: str | None = None

    def tags(self) -> dict[str, str]:
        """As tags of an MLflow run or model version."""
        tags = {
            "git_commit": self.git_commit,
            "git_dirty": str(self.git_dirty).lower(),
            "data_hash": self.data_hash,
            "config_hash": self.config_hash,
        }
        return tags | {"dvc_experiment": self.experiment} if self.experiment else tags


def lineage(root: Path | None = None, *, params: Path = PARAMS) -> Lineage:
    """Read the lineage of what runs in ``root`` (by default the current folder: an experiment's copy counts).

    Raises:
        PipelineError: git is missing or refuses, or params.yaml or data.dvc can't be read.
    """
    root = root or Path.cwd()
    commit, dirty = _git(root)
    config = _yaml(root / params)
    return Lineage(
        git_commit=commit,
        git_dirty=dirty,
        data_hash=data_hash(root),
        config=config,
        config_hash=config_hash(config),
        experiment=os.environ.get("DVC_EXP_NAME"),
    )


def config_hash(config: dict[str, Any]) -> str:
    """The sha256 of ``config`` as canonical JSON: order of keys and layout of the file don't matter."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def data_hash(root: Path) -> str:
    """The md5 that data.dvc has of data/ ("….dir"); without it "sha256:…" over every file's name and bytes.

    Raises:
        PipelineError: data.dvc is malformed.
    """
    pointer = root / "data.dvc"
    if pointer.exists():
        try:
            return str(_yaml(pointer)["outs"][0]["md5"])
        except (KeyError, IndexError, TypeError) as error:
            raise PipelineError(
                f"{pointer} names no data (outs: - md5: …); `dvc add data` writes it anew"
            ) from error
    if not (root / DATA).is_dir():
        return UNKNOWN
    total = hashlib.sha256()
    for path in sorted(p for p in (root / DATA).rglob("*") if p.is_file()):
        total.update(f"{path.relative_to(root).as_posix()}\0".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{total.hexdigest()}"


def _git(root: Path) -> tuple[str, bool]:
    if not any((folder / ".git").exists() for folder in (root, *root.resolve().parents)):
        return UNKNOWN, False
    commit = _run_git(root, "rev-parse", "--verify", "--quiet", "HEAD", empty_is_fine=True).strip()
    status = _run_git(root, "status", "--porcelain", "--untracked-files=normal", "-z")
    return commit or UNKNOWN, any(_counts(entry) for entry in status.split("\0") if entry)


def _counts(entry: str) -> bool:
    """Whether a line of git's status ("XY path") means that the commit doesn't say what ran."""
    state, path = entry[:2], entry[3:]
    return path.startswith(SOURCES) if state == "??" else not path.startswith(OUTPUTS)


def _run_git(root: Path, *arguments: str, empty_is_fine: bool = False) -> str:
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments], cwd=root, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise PipelineError(
            "git is not installed (or not on PATH), and a model's lineage needs the commit: install git"
        ) from error
    if done.returncode and not (empty_is_fine and not done.stderr):
        raise PipelineError(f"git {arguments[0]} failed in {root}: {done.stderr.strip()}")
    return done.stdout


def _yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise PipelineError(f"{path} can't be read: {error}; `dvc repro` or git brings it back") from error
    return values if isinstance(values, dict) else {}
