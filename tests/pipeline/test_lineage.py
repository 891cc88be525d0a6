"""Where a model comes from: commit, data, configuration, in a real repository."""

import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.core.errors import PipelineError
from pipeline.tracking.lineage import lineage


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    return tmp_path


def git(*arguments: str) -> str:
    identity = (
        "-c",
        "user.name=t",
        "-c",
        "user.email=t@t",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "core.hooksPath=",
    )
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(checkout: Path) -> Path:
    """A small project with a commit."""
    (checkout / "params.yaml").write_text(yaml.safe_dump({"train": {"epochs": 3, "lr": 0.1}}))
    (checkout / "data.dvc").write_text("outs:\n- md5: 0123abcd.dir\n  path: data\n")
    (checkout / "pipeline").mkdir()
    (checkout / "pipeline" / "train.py").write_text("pass\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    return checkout


def test_lineage_names_commit_data_and_configuration(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "brave-newt")
    found = lineage()
    assert found.git_commit == git("rev-parse", "HEAD")
    assert (found.git_dirty, found.data_hash, found.experiment) == (False, "0123abcd.dir", "brave-newt")
    assert found.config == {"train": {"epochs": 3, "lr": 0.1}}
    (project / "params.yaml").write_text("train:\n  lr: 0.1\n  epochs: 3\n")
    assert lineage().config_hash == found.config_hash
    (project / "params.yaml").write_text("train:\n  lr: 0.2\n  epochs: 3\n")
    assert lineage().config_hash != found.config_hash


@pytest.mark.parametrize(
    ("path", "dirty"),
    [
        ("pipeline/train.py", True),
        ("pipeline/new module.py", True),
        ("data.dvc", True),
        ("params.yaml", False),  # what a repro writes is no edit; conf/ is where it would be edited
        ("notes.txt", False),
    ],
)
def test_dirty_means_that_the_commit_does_not_say_what_ran(project: Path, path: str, dirty: bool) -> None:
    with (project / path).open("a") as file:
        file.write("\n# edited\n")
    assert lineage().git_dirty is dirty


def test_no_repository_is_unknown_and_no_crash(checkout: Path) -> None:
    (checkout / "params.yaml").write_text("{}")
    found = lineage()
    assert (found.git_commit, found.git_dirty, found.data_hash) == ("unknown", False, "unknown")
    git("init", "-q")
    assert lineage().git_commit == "unknown"


def test_git_that_is_not_installed_is_one_clear_error(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(PipelineError, match="git is not installed"):
        lineage()
