"""What promote decides and does, as a user sees it: a real MLflow store, real bundles, exit status and words."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bundle
from bundle.engine import Engine
from pipeline.data.split import read_split
from pipeline.metrics import predictions
from pipeline.promote import champion
from pipeline.promote import stage as promote
from pipeline.tracking import runs as tracking
from pipeline.tracking.lineage import Lineage
from tests import measured, promotion_project
from tests.mlflow_template import MLFLOWS_OWN_WARNINGS, SETTINGS
from tests.promotion_project import BLIND, EQUAL, GOOD, PROMOTED, Project, error, run

pytestmark = MLFLOWS_OWN_WARNINGS
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return promotion_project.make(tmp_path, monkeypatch)


def test_the_first_good_model_becomes_champion(project: Project) -> None:
    with tracking.run(SETTINGS, name="tiny", lineage=Lineage("a" * 40, False, "d", {}, "c"), params={}) as trained:
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
    assert made.tags["metric.served_accuracy"].startswith("1.0000 [0.97")
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
    good = project.candidate(GOOD)
    run()
    project.candidate(BLIND, wrong=20)
    run()
    report = project.report()
    assert report["decision"] == "refused"
    reasons = "; ".join(report["reasons"])
    assert "against the champion: labels, fp32: not proved to be within 0.02 of tiny-" in reasons
    assert "alone is right on 20 of 180 pictures" in reasons
    assert "against the champion, test split, fp32: proved worse" in reasons
    assert project.promoted() == project.champion() == good


def test_a_model_that_answers_what_it_does_not_know_is_refused(project: Project) -> None:
    good = project.candidate(GOOD)
    run()
    project.candidate(GOOD, threshold=0.0, accepted=9)
    run()
    assert project.report()["decision"] == "refused"
    assert project.report()["reasons"][0].startswith("against the champion: other, fp32: ")
    assert project.champion() == good


def test_refusal_keeps_the_champion_and_is_no_crash(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    good = project.candidate(GOOD)
    run()
    kept = {path: path.read_bytes() for path in PROMOTED.rglob("*") if path.is_file()}
    project.candidate(EQUAL, wrong=90)
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
    project.candidate(wrong=120)
    run()
    assert project.report()["decision"] == "refused"
    assert project.report()["champion"] is None
    assert project.champion() is None
    assert not PROMOTED.exists()


def test_figures_of_another_version_are_refused(project: Project) -> None:
    project.candidate()
    manifest = bundle.load(promote.CANDIDATE).manifest
    bundle.seal(promote.CANDIDATE, manifest.model_copy(update={"metrics": {"accuracy": {"value": 1.0}}}))
    run()
    assert project.report()["reasons"] == [
        "figures: not as this version writes them; `dvc repro -f evaluate` measures them"
    ]


def test_eight_photos_a_label_lead_to_a_provisional_champion(project: Project) -> None:
    project.write_pictures(2)
    fingerprint = project.candidate(each=8, wrong=3)
    run()
    assert project.report()["decision"] == "promoted"
    assert project.report()["provisional"] is True
    assert "21 right of only 24 pictures" in project.report()["reasons"][0]
    assert project.promoted() == fingerprint


def test_a_model_that_is_not_proved_as_good_leaves_the_champion(project: Project) -> None:
    good = project.candidate(GOOD)
    run()
    project.candidate(EQUAL, wrong=3)
    run()
    assert project.report()["decision"] == "refused"
    reason = project.report()["reasons"][0]
    assert reason.startswith("against the champion: labels, fp32: not proved to be within 0.02")
    assert "which alone is right on 3 of 180 pictures" in reason
    assert project.champion() == good


def test_new_photos_let_a_model_in_that_is_not_proved_worse(project: Project) -> None:
    project.candidate(GOOD, each=8)
    run()
    project.candidate(EQUAL, each=8)  # the same answers, but 24 photos prove nothing
    run()
    assert project.report()["decision"] == "refused"
    newer = project.candidate(EQUAL, each=9, wrong=1)
    run()
    assert project.champion() == newer
    project.candidate((0.2, 0.0, 0.0), each=30, wrong=6)  # new photos are no excuse for what is proved worse
    run()
    assert "against the champion: labels, fp32: proved worse" in project.report()["reasons"][0]
    assert project.champion() == newer


def test_small_losses_do_not_add_up(project: Project) -> None:
    """Each is as good as the champion but for one photo more, and photos are added each time."""
    promoted = []
    for step in range(8):
        promoted.append(project.candidate((step / 10, 0.0, 0.0), each=60 + step, wrong=step))
        run()
        if project.report()["decision"] == "refused":
            break
    assert 2 < step < 5
    reasons = project.report()["reasons"]
    assert all("against the best before it" in reason for reason in reasons), reasons
    assert f"tiny-{promoted[0][:8]}" in reasons[0]


def test_a_champion_that_learnt_todays_test_pictures_is_not_compared_on_them(project: Project) -> None:
    rows = read_split(Path("build/split.csv"))
    project.candidate(GOOD, taught=[row.sha256 for row in rows])
    run()
    newer = project.candidate(EQUAL, test__fp32__served_accuracy={"value": 0.8, "low": 0.7, "high": 0.9, "n": 58})
    run()
    assert project.champion() == newer, "only the test split could have told"


def test_a_champion_of_an_older_schema_is_replaced_by_the_floors_and_said(project: Project) -> None:
    old = project.candidate(GOOD)
    run()
    (stored,) = (project.root / ".mlflow").rglob(f"{old[:12]}/manifest.json")
    for manifest in (stored, PROMOTED / "manifest.json"):
        manifest.write_text(manifest.read_text().replace('"schema_version": 2', '"schema_version": 1'))
    project.candidate(EQUAL, wrong=90)
    run()
    assert project.report()["decision"] == "refused"
    assert project.champion() == old
    newer = project.candidate(EQUAL)
    run()
    assert project.promoted() == project.champion() == newer
    assert bundle.load(PROMOTED).manifest.lineage.parent == f"tiny-{old[:8]}"
    assert any("is of schema 1" in gate["note"] for gate in project.report()["gates"])
    assert project.history() == [("promote", old), ("promote", newer)]
    run("anyway", "--why", "still there")


def test_a_champion_whose_files_are_lost_does_not_stop_promotion(project: Project) -> None:
    """models/promoted/ is of an older schema, the store has lost its copy: the floors decide, the report says so."""
    old = project.candidate(GOOD)
    run()
    manifest = PROMOTED / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema_version": 2', '"schema_version": 1'))
    (stored,) = (project.root / ".mlflow").rglob(f"{old[:12]}/manifest.json")
    shutil.rmtree(stored.parent)
    project.candidate(EQUAL, wrong=90)
    run()
    assert project.report()["decision"] == "refused"
    assert project.champion() == old
    newer = project.candidate(EQUAL)
    run()
    assert project.promoted() == project.champion() == newer
    assert any("has lost the files of" in gate["note"] for gate in project.report()["gates"])
    assert project.history() == [("promote", old), ("promote", newer)]


def test_mlflow_loads_the_champion_and_it_answers_for_a_picture(project: Project) -> None:
    """In a process of its own, elsewhere, with the code that travels with the version."""
    project.candidate()
    run()
    code = (
        "import json, mlflow, pandas, sys\n"
        "model = mlflow.pyfunc.load_model('models:/art-text-plant@champion')\n"
        "found = model.predict(pandas.DataFrame({'image': [open(path, 'rb').read() for path in sys.argv[1:]]}))\n"
        "example = model.predict(model.input_example)\n"
        "print(json.dumps([found.to_dict('records'), len(example), sys.modules['bundle'].__file__]))"
    )
    pictures = [str(Path(f"data/images/{label}/0.png").absolute()) for label in ("plant", "other")]
    (elsewhere := project.root / "elsewhere").mkdir()
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{project.root}/.mlflow/mlflow.db"}
    done = subprocess.run(
        [sys.executable, "-c", code, *pictures],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (plant, other), examples, place = json.loads(done.stdout.splitlines()[-1])
    assert plant["label"] == "plant"
    assert plant["probabilities"]["plant"] > 0.9
    assert plant["id_score"] > 0.5
    assert other["label"] is None
    assert examples == 1
    assert not place.startswith(str(REPOSITORY))
    assert project.registry.store.client.get_model_version("art-text-plant", "1").tags["photos"].endswith("train 240")


def test_the_photos_that_trained_a_version_are_kept_with_it(project: Project) -> None:
    fingerprint = project.candidate()
    run()
    (kept,) = (project.root / ".mlflow").rglob(f"{fingerprint[:12]}/photos.csv")
    sides = predictions.read_photos(kept)
    assert sides == predictions.read_photos(promote.CANDIDATE / "photos.csv")
    assert {sides[row.sha256] for row in measured.answers()} == {"train"}


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


def test_both_served_variants_are_judged_and_compared(project: Project) -> None:
    project.candidate(GOOD, variants=("int8", "fp32"))
    run()
    project.candidate(EQUAL, variants=("int8", "fp32"), variants__int8__agreement=0.97)
    run()
    assert project.report()["reasons"] == ["same answer as fp32, int8: 0.97 is below 0.98"]
    compared = {
        gate["name"]: [g["variant"] for g in project.report()["gates"] if g["name"] == gate["name"]]
        for gate in project.report()["gates"]
    }
    assert set(compared["against the champion: labels"]) == {"int8", "fp32"}
    assert set(compared["against the champion, test split"]) == {"int8", "fp32"}


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


def test_a_champion_that_is_measured_anew_gets_its_figures_and_no_second_version(project: Project) -> None:
    first = project.candidate(GOOD)
    run()
    project.candidate(EQUAL)
    run()
    parent = bundle.load(PROMOTED).manifest.lineage.parent
    kept, history = project.versions(), project.history()
    fingerprint = project.candidate(EQUAL, wrong=2)
    (promote.CANDIDATE / "MODEL_CARD.md").write_text("measured anew")
    bundle.seal(promote.CANDIDATE, bundle.load_manifest(promote.CANDIDATE))
    run()
    assert project.report()["decision"] == "already champion"
    assert (project.versions(), project.history()) == (kept, history)
    version = project.registry.champion()
    assert version is not None
    stored = project.registry.fetch(version, project.root / "fetched")
    for renewed in (bundle.load(PROMOTED), stored):
        assert bundle.fingerprint(renewed.manifest) == fingerprint
        assert renewed.manifest.metrics["elsewhere"]["variants"]["fp32"]["served_accuracy"]["value"] < 1
        assert renewed.manifest.lineage.parent == parent == f"tiny-{first[:8]}"
        assert renewed.read("MODEL_CARD.md") == b"measured anew"
    tags = project.registry.store.client.get_model_version("art-text-plant", "2").tags
    assert tags["metric.served_accuracy"].startswith("0.98")


@pytest.mark.parametrize("wrong", [0, 90])
def test_an_experiment_says_what_would_happen_and_touches_nothing(
    project: Project, wrong: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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
    inside.candidate(EQUAL, wrong=wrong)
    monkeypatch.setenv("DVC_EXP_NAME", "brave-newt")
    monkeypatch.chdir(copy)
    run()
    assert inside.report()["decision"] == ("would be refused" if wrong else "would be promoted")
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
    project.candidate(BLIND, wrong=20)
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "a" * 40)
    with champion.lock(Path("models")):  # as another experiment might be, at the same time
        run()
    assert project.report()["decision"] == "would be refused"
    assert "against the champion" in project.report()["reasons"][0]
    assert not PROMOTED.exists()


def test_no_candidate_is_one_clear_error(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert "models/candidate" in error(capsys)
    project.candidate()
    (promote.CANDIDATE / "model.onnx").unlink()
    assert "model.onnx is missing" in error(capsys)


def test_a_setting_out_of_range_names_its_place(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.candidate()
    project.params["promote"]["floors"]["recall"] = 1.5
    project.write_params()
    said = error(capsys)
    assert "promote.floors.recall" in said
    assert "conf/promote/" in said


def test_the_terminal_gets_a_table(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.candidate(wrong=90)
    run()
    said = capsys.readouterr().out
    assert "check" in said.splitlines()[0]
    lines = [line.strip() for line in said.splitlines()]
    assert any(line.startswith("served accuracy ") and line.endswith("refused") for line in lines)
    assert any(line.startswith("rejected, plant") and line.endswith("passed") for line in lines)
