"""What promote decides and does, as a user sees it: a real MLflow store, real bundles, exit status and words."""

import shutil
from pathlib import Path

import pytest

import bundle
from bundle.engine import Engine
from pipeline.promote import champion
from pipeline.promote import stage as promote
from pipeline.tracking import runs as tracking
from pipeline.tracking.lineage import Lineage
from tests import promotion_project
from tests.mlflow_template import MLFLOWS_OWN_WARNINGS, SETTINGS
from tests.promotion_project import BLIND, EACH, EQUAL, GOOD, PROMOTED, Project, error, run

pytestmark = MLFLOWS_OWN_WARNINGS


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return promotion_project.make(tmp_path, monkeypatch)


def test_the_first_good_model_becomes_champion(project: Project) -> None:
    with tracking.run(
        SETTINGS, name="tiny", lineage=Lineage("a" * 40, False, "d", {}, "c"), params={}
    ) as trained:
        pass
    fingerprint = project.candidate(run_id=trained.run_id)
    run()
    assert project.report()["decision"] == "promoted"
    assert project.report()["model_version"] == 1
    assert project.promoted() == project.champion() == fingerprint
    assert project.history() == [("promote", fingerprint)]
    version = project.registry.champion()
    assert version is not None
    assert version.run_id == trained.run_id
    made = project.registry.store.client.get_model_version("art-text-plant", "1")
    expected = {
        "git_commit": "0" * 40,
        "data_hash": "0" * 32,
        "config_hash": "0" * 64,
        "fingerprint": fingerprint,
    }
    assert expected.items() <= made.tags.items()
    assert made.tags["metric.accuracy"].startswith("1.0000 [0.90")
    Engine(bundle.load(PROMOTED)).check_golden()


def test_an_equal_model_takes_over_and_names_its_parent(project: Project) -> None:
    project.candidate(GOOD)
    run()
    before = bundle.load(PROMOTED).manifest.version
    second = project.candidate(EQUAL)
    run()
    assert project.promoted() == project.champion() == second
    assert bundle.load(PROMOTED).manifest.lineage.parent == before
    assert len(project.versions()) == 2


def test_a_worse_model_is_refused(project: Project) -> None:
    """It claims good figures; the pictures say otherwise."""
    good = project.candidate(GOOD)
    run()
    project.candidate(BLIND)
    run()
    report = project.report()
    assert report["decision"] == "refused"
    assert f"alone is right on {2 * EACH} of the same {3 * EACH} pictures" in report["reasons"][0]
    assert project.promoted() == project.champion() == good


def test_a_model_that_answers_what_it_does_not_know_is_refused(project: Project) -> None:
    good = project.candidate(GOOD)
    run()
    project.candidate(GOOD, threshold=0.0)
    run()
    assert project.report()["decision"] == "refused"
    assert project.report()["reasons"][0].startswith("against it, none of these: ")
    assert project.champion() == good


def test_refusal_keeps_the_champion_and_is_no_crash(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    good = project.candidate(GOOD)
    run()
    kept = {path: path.read_bytes() for path in PROMOTED.rglob("*") if path.is_file()}
    project.candidate(EQUAL, right=20)
    capsys.readouterr()
    run()
    said = capsys.readouterr().out
    assert "refused" in said
    assert "the champion stays tiny-" in said
    assert project.champion() == good
    assert {path: path.read_bytes() for path in PROMOTED.rglob("*") if path.is_file()} == kept
    assert project.history() == [("promote", good)]
    assert len(project.versions()) == 1


def test_refusing_the_first_model_leaves_no_champion(project: Project) -> None:
    project.candidate(right=10)
    run()
    assert project.report()["decision"] == "refused"
    assert project.report()["champion"] is None
    assert project.champion() is None
    assert not PROMOTED.exists()


def test_a_missing_metric_is_refused_by_name(project: Project) -> None:
    project.candidate(ece=None)
    run()
    assert project.report()["reasons"] == [
        "calibration error: metrics.ece.value is missing from the candidate's manifest; "
        "`dvc repro -f evaluate` measures it"
    ]


def test_eight_photos_a_label_lead_to_a_provisional_champion(project: Project) -> None:
    project.write_pictures(2)
    fingerprint = project.candidate(right=5, n=6)
    run()
    assert project.report()["decision"] == "promoted"
    assert project.report()["provisional"] is True
    assert "only 6 test pictures" in project.report()["reasons"][0]
    assert project.promoted() == fingerprint


def test_other_labels_replace_the_champion_by_the_floors_alone(project: Project) -> None:
    project.candidate()
    run()
    fingerprint = project.candidate(labels=("cat", "dog", "fish"))
    run()
    assert project.champion() == fingerprint
    assert any("knows other labels" in gate["note"] for gate in project.report()["gates"])


def test_a_candidate_that_fails_its_golden_frames_is_refused(project: Project) -> None:
    project.candidate()
    sealed = bundle.load(promote.CANDIDATE).manifest
    wrong = sealed.golden[0].model_copy(update={"probabilities": {"fp32": (0.0, 0.0, 1.0)}})
    bundle.seal(promote.CANDIDATE, sealed.model_copy(update={"golden": (wrong, *sealed.golden[1:])}))
    run()
    assert project.report()["decision"] == "refused"
    assert project.report()["reasons"][0].startswith("golden frames: ")


def test_unchanged_model_makes_no_second_version(project: Project) -> None:
    fingerprint = project.candidate()
    run()
    run()
    assert project.report()["decision"] == "already champion"
    project.candidate(run_id="e" * 32)  # trained again, to the same weights
    run()
    assert project.report()["decision"] == "already champion"
    assert len(project.versions()) == 1
    assert project.history() == [("promote", fingerprint)]


@pytest.mark.parametrize("right", [36, 10])
def test_an_experiment_says_what_would_happen_and_touches_nothing(
    project: Project, right: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = project.candidate(GOOD)
    run()
    before = {path: path.read_bytes() for path in Path("models").rglob("*") if path.is_file()}
    copy = project.root / ".dvc" / "tmp" / "exps" / "tmpx1"
    for name in ("params.yaml", "build/split.csv"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, copy / name)
    (copy / "data").symlink_to(project.root / "data")
    inside = Project.__new__(Project)
    inside.root = copy
    inside.candidate(EQUAL, right=right)
    monkeypatch.setenv("DVC_EXP_NAME", "brave-newt")
    monkeypatch.chdir(copy)
    run()
    assert inside.report()["decision"] == ("would be promoted" if right == 36 else "would be refused")
    assert inside.report()["champion"]["fingerprint"] == first
    assert "inside an experiment" in error(capsys, "rollback")
    assert "inside an experiment" in error(capsys, "anyway", "--why", "x")
    monkeypatch.chdir(project.root)
    assert project.champion() == first
    assert len(project.versions()) == 1
    assert {path: path.read_bytes() for path in Path("models").rglob("*") if path.is_file()} == before
    assert not (copy / "models" / "promoted").exists()


def test_an_experiment_compares_with_the_registry_where_the_folder_is_gone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.candidate(GOOD)
    run()
    shutil.rmtree(PROMOTED)
    project.candidate(BLIND)
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "a" * 40)
    with champion.alone(Path("models")):  # as another experiment might be, at the same time
        run()
    assert project.report()["decision"] == "would be refused"
    assert "against the champion" in project.report()["reasons"][0]
    assert not PROMOTED.exists()


def test_no_candidate_is_one_clear_error(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert "models/candidate" in error(capsys)
    project.candidate()
    (promote.CANDIDATE / "model.onnx").unlink()
    assert "model.onnx is missing" in error(capsys)


def test_a_missing_test_picture_is_one_clear_error(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    project.candidate(GOOD)
    run()
    project.candidate(EQUAL)
    Path("data/images/art/3.png").unlink()
    assert "data/images/art/3.png can't be read" in error(capsys)


def test_a_setting_out_of_range_names_its_place(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.candidate()
    project.params["promote"]["floors"]["recall"] = 1.5
    project.write_params()
    said = error(capsys)
    assert "promote.floors.recall" in said
    assert "conf/promote/" in said


def test_the_terminal_gets_a_table(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.candidate(right=20)
    run()
    said = capsys.readouterr().out
    assert "check" in said.splitlines()[0]
    assert any(line.startswith("accuracy") and line.endswith("refused") for line in said.splitlines())
    assert any(line.startswith("recall of plant") and line.endswith("passed") for line in said.splitlines())
