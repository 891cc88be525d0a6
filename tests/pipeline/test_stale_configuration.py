"""`dvc repro` is the truth: what an edit touches runs again and nothing else, never on stale settings."""

import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.small_project import Project, ran

STAGES = ["configure", "validate", "train", "export", "evaluate", "promote", "recordings", "gif"]


def runs(project: Project, key: str) -> dict[str, set[str]]:
    """The values of one parameter in the MLflow runs of the project's own store, by the runs' name."""
    with sqlite3.connect(project.root / ".mlflow" / "mlflow.db") as store:
        rows = store.execute(
            "select runs.name, params.value from runs join params using (run_uuid) where key = ?",
            (key,),
        ).fetchall()
    return {name: {value for other, value in rows if other == name} for name, _ in rows}


def test_first_repro_runs_every_stage_and_a_second_nothing(made_project: Project, finished_project: Project) -> None:
    assert finished_project.repro("--dry", "--force") == STAGES
    assert finished_project.repro() == []
    assert "up to date" in finished_project.run("dvc", "status")


def test_edit_in_conf_is_seen_by_a_plain_repro(small_project: Project) -> None:
    small_project.set("conf/train/finetune.yaml", "seed", 21)
    assert small_project.repro("train") == ["configure", "train"]
    assert small_project.params()["train"]["seed"] == 21
    assert runs(small_project, "train.seed")["probe efficientnet_lite0"] == {"20", "21"}
    status = small_project.run("dvc", "status")
    assert "export" in status
    assert "validate" not in status


def test_edit_in_conf_reruns_only_the_stage_that_reads_it(small_project: Project) -> None:
    small_project.set("conf/promote/default.yaml", "parity", 0.002)
    assert small_project.repro() == ["configure", "promote"]
    assert small_project.repro() == []


def test_comment_in_conf_reruns_nothing_but_the_composition(small_project: Project) -> None:
    with (small_project.root / "conf" / "train" / "probe.yaml").open("a", encoding="utf-8") as file:
        file.write("# a thought\n")
    assert small_project.repro() == ["configure"]


def test_edit_of_a_module_reruns_its_stage_and_what_follows_from_it(small_project: Project) -> None:
    """An edit that changes no output stops there: the stages after it see the same bytes."""
    with (small_project.root / "pipeline" / "promote" / "table.py").open("a", encoding="utf-8") as file:
        file.write("# a thought\n")
    assert small_project.repro() == ["promote"]
    with (small_project.root / "pipeline" / "validate" / "report.py").open("a", encoding="utf-8") as file:
        file.write("# a thought\n")
    assert small_project.repro() == ["validate"]


def test_experiment_runs_with_its_settings_and_leaves_a_state_that_check_names(
    small_project: Project,
) -> None:
    small_project.set("conf/augment/handheld.yaml", "degrade", 0.123)  # and doesn't commit it
    conf = {path: path.read_bytes() for path in (small_project.root / "conf").rglob("*.yaml")}
    output = small_project.run("dvc", "exp", "run", "--name", "tried", "-S", "train.seed=21", "train")
    assert ran(output) == ["configure", "train"]
    assert small_project.params()["train"]["seed"] == 21
    assert runs(small_project, "train.seed")["tried"] == {"21"}
    assert runs(small_project, "augment.degrade")["tried"] == {"0.123"}
    assert all(path.read_bytes() == text for path, text in conf.items())
    # The experiment is applied to the workspace: params.yaml is no longer what conf/ composes.
    said = small_project.run("python", "-m", "pipeline.core.config", "check", fails=True)
    assert said.startswith("error: params.yaml is not what conf/ composes (train.seed)")
    assert "dvc repro -f configure" in said
    # The way out that it names works.
    assert small_project.repro("--force", "--single-item", "configure") == ["configure"]
    small_project.run("python", "-m", "pipeline.core.config", "check")
    assert small_project.params()["train"]["seed"] == 20


def test_queued_experiment_runs_with_its_settings_and_reaches_the_projects_own_store(
    small_project: Project,
) -> None:
    settings = ("-S", "augment=none", "-S", "train.seed=21")
    before = {path: path.stat().st_mtime_ns for path in (small_project.root / "build").rglob("*")}
    small_project.run("dvc", "exp", "run", "--queue", "--name", "queued", *settings, "train")
    small_project.run("dvc", "exp", "run", "--run-all", "--jobs", "1")
    assert runs(small_project, "train.seed")["queued"] == {"21"}
    assert runs(small_project, "augment.degrade")["queued"] == {"0"}
    # It ran in a copy: the workspace is as it was.
    assert small_project.params()["train"]["seed"] == 20
    assert {path: path.stat().st_mtime_ns for path in (small_project.root / "build").rglob("*")} == before
    assert small_project.repro() == []
    shown = small_project.run("dvc", "exp", "show", "--json")
    assert '"queued"' in shown


def test_training_that_was_killed_starts_clean(small_project: Project) -> None:
    small_project.edit("conf/config.yaml", "- train: probe", "- train: smoke")
    small_project.set("conf/train/smoke.yaml", "epochs", 50)
    with subprocess.Popen(
        ["dvc", "repro", "train"],
        cwd=small_project.root,
        env=small_project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as repro:
        assert repro.stdout is not None
        for line in repro.stdout:
            if line.startswith("epoch"):
                os.killpg(repro.pid, signal.SIGKILL)
                break
        else:
            pytest.fail("training ended before it could be killed")
    assert not (small_project.root / "build" / "train").exists()
    small_project.set("conf/train/smoke.yaml", "epochs", 1)
    assert small_project.repro("train") == ["configure", "train"]
    left = [path.name for path in (small_project.root / "build").iterdir() if path.name.startswith(".")]
    assert not left


def test_no_output_holds_a_path_of_this_machine(finished_project: Project) -> None:
    place = str(finished_project.root.parent).encode()
    root = finished_project.root
    outputs = [root / "params.yaml", root / "dvc.lock"]
    outputs += [path for folder in ("build", "models", "reports") for path in (root / folder).rglob("*")]
    found = [path.relative_to(root) for path in outputs if path.is_file() and place in path.read_bytes()]
    assert not found


def test_fresh_clone_pulls_its_photos_with_no_network_and_models_are_never_pushed(
    finished_project: Project, tmp_path: Path
) -> None:
    remote = finished_project.root / ".bundled"
    before = sorted(path.relative_to(remote) for path in remote.rglob("*"))
    assert "up to date" in finished_project.run("dvc", "push")
    assert sorted(path.relative_to(remote) for path in remote.rglob("*")) == before

    finished_project.run("git", "clone", "--quiet", ".", str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    alone = ["unshare", "--net"] if os.geteuid() == 0 else []  # without privileges there is no such way to ask
    clone.run(*alone, "dvc", "pull", "data.dvc")  # as `make data` does: nothing else is there
    theirs = finished_project.root / "data"
    for path in theirs.rglob("*"):
        if path.is_file():
            assert (clone.root / "data" / path.relative_to(theirs)).read_bytes() == path.read_bytes()
    status = clone.run("dvc", "status")
    assert "deleted" in status  # no output came with it: they are rebuilt
    assert "modified" not in status
