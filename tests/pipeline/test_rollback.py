"""Going back to an earlier champion, and what is kept of it: a real MLflow store, real bundles."""

import shutil
from pathlib import Path

import pytest

from tests import promotion_project
from tests.mlflow_template import MLFLOWS_OWN_WARNINGS
from tests.promotion_project import EQUAL, GOOD, PROMOTED, Project, error, run

pytestmark = MLFLOWS_OWN_WARNINGS


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return promotion_project.make(tmp_path, monkeypatch)


def test_rollback_restores_the_previous_champion(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    first = project.candidate(GOOD)
    run()
    files = {path: path.read_bytes() for path in PROMOTED.rglob("*") if path.is_file()}
    second = project.candidate(EQUAL)
    run()
    run("rollback", "--why", "it takes mugs for art")
    assert project.promoted() == project.champion() == first
    assert {path: path.read_bytes() for path in PROMOTED.rglob("*") if path.is_file()} == files
    assert project.history() == [("promote", first), ("promote", second), ("rollback", first)]
    capsys.readouterr()
    run("history")
    said = capsys.readouterr().out
    assert "it takes mugs for art" in said
    assert said.splitlines()[-1].startswith("*")


def test_a_model_that_was_rolled_back_comes_back_by_decision_only(project: Project) -> None:
    project.candidate(GOOD)
    run()
    second = project.candidate(EQUAL)
    run()
    run("rollback", "--why", "it takes mugs for art")
    run()
    assert project.report()["decision"] == "refused"
    assert "it takes mugs for art" in project.report()["reasons"][0]
    assert "pipeline.promote anyway" in project.report()["reasons"][0]
    run("anyway", "--why", "the mugs were art")
    assert project.promoted() == project.champion() == second
    assert len(project.versions()) == 2
    run()
    assert project.report()["decision"] == "already champion"


def test_rollback_to_a_named_version(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    prints = []
    for bias in (GOOD, EQUAL, (0.2, 0.0, 0.0)):
        prints.append(project.candidate(bias))
        run()
    run("rollback", "--to", "1")
    assert project.champion() == prints[0]
    run("rollback", "--to", f"tiny-{prints[2][:8]}")
    assert project.champion() == prints[2]
    assert "is the champion already" in error(capsys, "rollback", "--to", "3")
    assert "art-text-plant" in error(capsys, "rollback", "--to", "99")
    assert "no version is called nonsense" in error(capsys, "rollback", "--to", "nonsense")


def test_rollback_with_nothing_behind_is_one_clear_error(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no champion yet" in error(capsys, "rollback")
    fingerprint = project.candidate()
    run()
    assert "the only champion there was" in error(capsys, "rollback")
    assert project.promoted() == fingerprint


def test_a_damaged_version_is_not_rolled_back_to(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    first = project.candidate(GOOD)
    run()
    second = project.candidate(EQUAL)
    run()
    (model,) = (project.root / ".mlflow").rglob(f"{first[:12]}/model.onnx")
    model.write_bytes(b"x" * model.stat().st_size)
    assert "can't be read from the store" in error(capsys, "rollback")
    assert project.promoted() == project.champion() == second
    assert sorted(path.name for path in Path("models").iterdir() if path.is_dir()) == [
        "candidate",
        "promoted",
    ]


def test_a_version_whose_files_are_another_model_is_not_rolled_back_to(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    first = project.candidate(GOOD)
    run()
    second = project.candidate(EQUAL)
    run()
    (model,) = (project.root / ".mlflow").rglob(f"{first[:12]}/model.onnx")
    shutil.rmtree(model.parent)
    shutil.copytree(PROMOTED, model.parent)
    assert "is another model than its tags say" in error(capsys, "rollback")
    assert project.promoted() == project.champion() == second
