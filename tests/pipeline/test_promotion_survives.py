"""Promotions that are interrupted, killed, locked out, out of disk or bereft of files: the champion stays whole."""

import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import bundle
from pipeline.promote import champion, history
from pipeline.promote import stage as promote
from pipeline.tracking.registry import Registry
from tests import mlflow_template, promotion_project
from tests.mlflow_template import MLFLOWS_OWN_WARNINGS
from tests.promotion_project import EQUAL, GOOD, PROMOTED, Project, error, run

pytestmark = MLFLOWS_OWN_WARNINGS


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return promotion_project.make(tmp_path, monkeypatch)


def test_a_removed_folder_comes_back_from_the_registry(project: Project) -> None:
    fingerprint = project.candidate()
    run()
    shutil.rmtree(PROMOTED)
    run()
    assert project.promoted() == fingerprint
    assert project.report()["decision"] == "already champion"
    shutil.rmtree(PROMOTED)
    (project.root / ".mlflow" / "artifacts").rename(project.root / "lost")  # then the candidate stands in
    run()
    assert project.promoted() == fingerprint


def test_a_removed_store_is_made_again_from_the_promoted_folder(project: Project) -> None:
    first = project.candidate(GOOD)
    run()
    shutil.rmtree(".mlflow")
    mlflow_template.make(project.root)
    mlflow_template.forget_stores()
    second = project.candidate(EQUAL)
    run()
    assert project.champion() == second
    run("rollback")
    assert project.champion() == project.promoted() == first


@pytest.mark.parametrize(
    "step",
    ["Registry.register", "Registry.set_alias", "after the alias", "history.append"],
)
def test_an_interruption_anywhere_is_repaired_by_the_next_run(
    project: Project, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = project.candidate(GOOD)
    run()
    second = project.candidate(EQUAL)

    class Killed(BaseException):
        pass

    def dies(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if step == "after the alias":
            set_alias = Registry.set_alias

            def dies_after_it(*arguments: Any) -> None:
                set_alias(*arguments)
                raise Killed

            patch.setattr(Registry, "set_alias", dies_after_it)
        else:
            owner: Any = {"Registry": Registry, "history": history}[step.split(".")[0]]
            patch.setattr(owner, step.split(".")[1], dies)
        with pytest.raises(Killed):
            promote.main([])
    assert project.promoted() in (first, second)
    assert bundle.load(PROMOTED)
    run()
    assert project.promoted() == project.champion() == second
    assert [print_ for _, print_ in project.history()] == [first, second]
    assert len(project.versions()) == 2


def test_a_kill_in_the_middle_leaves_the_champion_and_no_litter_after_the_next_run(project: Project) -> None:
    first = project.candidate(GOOD)
    run()
    second = project.candidate(EQUAL)
    code = (
        "import os, signal; from pipeline.promote import stage; from pipeline.tracking.registry import Registry\n"
        "Registry.set_alias = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "stage.main([])"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert project.promoted() == project.champion() == first
    run()
    assert project.promoted() == project.champion() == second
    assert not list(Path("models").glob("*.tmp")) + list(Path("models").glob(".*.tmp"))


@pytest.mark.parametrize("where", ["copy", "registry", "replace"])
def test_a_full_disk_leaves_the_champion_intact(
    project: Project, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = project.candidate(GOOD)
    run()
    second = project.candidate(EQUAL)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if where == "copy":
            patch.setattr(Path, "write_bytes", full)
        elif where == "registry":
            patch.setattr(shutil, "copyfile", full)
            patch.setattr(shutil, "copy2", full)
        else:
            patch.setattr(Path, "rename", full)
        assert "disk is full" in error(capsys)
    assert project.promoted() == first
    assert not [path for path in Path("models").iterdir() if path.name.endswith(".tmp")]
    run()
    assert project.promoted() == project.champion() == second


def test_a_locked_store_is_one_clear_error(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.candidate()
    other = sqlite3.connect(project.root / ".mlflow" / "mlflow.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "mlflow.db is locked" in error(capsys)
    other.close()
    assert not PROMOTED.exists()


def test_two_promotions_at_once_are_refused_with_the_way_out(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.candidate()
    held, done = threading.Event(), threading.Event()

    def other() -> None:
        with champion.lock(Path("models")):
            held.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    held.wait(10)
    try:
        assert "another promotion or rollback" in error(capsys)
    finally:
        done.set()
        thread.join()
