"""What a run leaves behind, how it ends, and what happens without a store. Real MLflow, real sqlite."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.core.errors import TrackingError
from pipeline.data.split import SPLIT, SplitRow, write_split
from pipeline.tracking import runs as tracking
from pipeline.tracking.runs import Lineage
from pipeline.tracking.store import project_root
from tests import mlflow_template
from tests.mlflow_template import MLFLOWS_OWN_WARNINGS, SETTINGS

pytestmark = MLFLOWS_OWN_WARNINGS
LINEAGE = Lineage("a" * 40, False, "b" * 32 + ".dir", {"train": {"epochs": 3}}, "c" * 64, "brave-newt")
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def database(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    database = mlflow_template.make(checkout)
    mlflow_template.shorten_mlflows_patience(monkeypatch)
    return database


def run_of(run_id: str) -> Any:
    return tracking.open_store(SETTINGS).client.get_run(run_id)


@contextmanager
def held(database: Path) -> Iterator[sqlite3.Connection]:
    """Another program that holds the database."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    finally:
        connection.close()


def test_a_run_carries_parameters_curves_lineage_and_configuration(database: Path, checkout: Path) -> None:
    (checkout / "worst.png").write_bytes(b"png")
    params = {"train": {"epochs": 3, "lr": 1e-3, "layers": [1, 2]}, "note": "x" * 9000, "empty": None}
    with tracking.run(SETTINGS, name="lite0", lineage=LINEAGE, params=params) as run:
        for epoch in range(3):
            run.metrics({"valid/accuracy": 0.5 + epoch / 10, "recall/Blüten & Blätter": 1.0}, step=epoch)
        run.metrics({"seconds": 12.5})
        run.artifact(checkout / "worst.png", "plots")
    kept = run_of(run.run_id)
    assert kept.info.status == "FINISHED"
    assert kept.info.run_name == "lite0"
    assert kept.data.params["train.epochs"] == "3"
    assert len(kept.data.params["note"]) < 9000
    assert kept.data.metrics["recall/Blüten _ Blätter"] == 1.0
    assert LINEAGE.tags().items() <= kept.data.tags.items()
    assert kept.data.tags["dvc_experiment"] == "brave-newt"
    client = run.store.client
    assert [m.value for m in client.get_metric_history(run.run_id, "valid/accuracy")] == [0.5, 0.6, 0.7]
    artifacts = checkout / ".mlflow" / "artifacts" / run.run_id / "artifacts"
    assert json.loads((artifacts / "config.json").read_text()) == LINEAGE.config
    assert (artifacts / "plots" / "worst.png").read_bytes() == b"png"


def test_a_run_names_its_data_set(database: Path) -> None:
    """What MLflow's page shows in the column Dataset; a run that stands in for another has it as well."""
    sides = ["train", "train", "test"]
    write_split(SPLIT, [SplitRow(f"{i}.png", "art", str(i), "real", s, "0" * 64) for i, s in enumerate(sides)])
    with tracking.run(SETTINGS, name="lite0", lineage=LINEAGE, params={}) as run:
        pass
    with tracking.resume(SETTINGS, "f" * 32, name="evaluate", lineage=LINEAGE) as stand_in:
        pass
    for run_id in (run.run_id, stand_in.run_id):
        (used,) = run_of(run_id).inputs.dataset_inputs
        assert (used.dataset.name, used.dataset.digest) == ("data", "b" * 32 + ".dir")
        assert json.loads(used.dataset.source)["git_commit"] == "a" * 40
        assert json.loads(used.dataset.profile) == {"num_rows": 3, "train": 2, "test": 1}


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_that_breaks_off_says_so(database: Path, error: type[BaseException], status: str) -> None:
    with pytest.raises(error), tracking.run(SETTINGS, name="lite0", lineage=LINEAGE, params={}) as run:
        raise error
    assert run_of(run.run_id).info.status == status


def test_the_next_run_marks_one_that_was_killed_and_leaves_a_living_one(database: Path) -> None:
    code = (
        "import os, signal; from pipeline.tracking import runs as tracking; from tests.mlflow_template import SETTINGS;"
        "from tests.pipeline.test_tracking import LINEAGE\n"
        "with tracking.run(SETTINGS, name='killed', lineage=LINEAGE, params={}) as run:\n"
        "    print(run.run_id, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert run_of(killed.stdout.strip()).info.status == "RUNNING"
    with (
        tracking.run(SETTINGS, name="alive", lineage=LINEAGE, params={}) as alive,
        tracking.run(SETTINGS, name="next", lineage=LINEAGE, params={}),
    ):
        assert run_of(killed.stdout.strip()).info.status == "KILLED"
        assert run_of(alive.run_id).info.status == "RUNNING"


def test_resume_adds_to_the_run_that_trained(database: Path) -> None:
    with tracking.run(SETTINGS, name="lite0", lineage=LINEAGE, params={}) as run:
        pass
    before = run_of(run.run_id).info
    with tracking.resume(SETTINGS, run.run_id, name="evaluate", lineage=LINEAGE) as resumed:
        resumed.metrics({"test/accuracy": 0.97})
    after = run_of(run.run_id)
    assert resumed.run_id == run.run_id
    assert after.data.metrics["test/accuracy"] == 0.97
    assert (after.info.status, after.info.end_time) == ("FINISHED", before.end_time)


def test_an_unknown_run_gets_one_stand_in_and_not_two(database: Path) -> None:
    ids = set()
    for _ in range(2):
        with tracking.resume(SETTINGS, "f" * 32, name="evaluate", lineage=LINEAGE) as run:
            run.metrics({"test/accuracy": 0.97})
        ids.add(run.run_id)
    assert len(ids) == 1
    assert run_of(ids.pop()).data.tags["stands_in_for"] == "f" * 32


def test_a_locked_database_is_one_clear_error_before_anything_is_trained(database: Path) -> None:
    with held(database), pytest.raises(TrackingError) as caught:
        tracking.open_store(SETTINGS)
    assert str(database) in str(caught.value)
    assert "make runs" in str(caught.value)
    tracking.open_store(SETTINGS)


def test_more_figures_than_mlflow_takes_at_once_all_arrive(database: Path) -> None:
    with tracking.run(SETTINGS, name="lite0", lineage=LINEAGE, params={}) as run:
        run.metrics({f"recall/{number}": number / 2500 for number in range(2500)})
        run.params({"labels": {f"label {number}": number for number in range(250)}})
    kept = run_of(run.run_id).data
    assert (len(kept.metrics), len(kept.params)) == (2500, 250)


def test_a_lock_in_the_middle_of_a_run_is_an_error_and_no_silence(database: Path) -> None:
    with (
        pytest.raises(TrackingError, match="is locked"),
        tracking.run(SETTINGS, name="lite0", lineage=LINEAGE, params={}) as run,
        held(database),
    ):
        run.metrics({"valid/loss": 0.9})
    assert run_of(run.run_id).info.status == "FAILED"


def test_a_file_that_is_no_database_is_named(checkout: Path) -> None:
    database = checkout / ".mlflow" / "mlflow.db"
    database.parent.mkdir()
    database.write_text("no database, but long enough to be taken for one " * 50)
    with pytest.raises(TrackingError, match=r"mlflow\.db can't be used as MLflow store .* move it away"):
        tracking.open_store(SETTINGS)


def test_a_store_that_cant_be_made_is_named(checkout: Path) -> None:
    (checkout / ".mlflow").write_text("a file where the folder should be")
    with pytest.raises(TrackingError, match=r"\.mlflow can't be made"):
        tracking.open_store(SETTINGS)
    (checkout / ".mlflow").unlink()
    (checkout / ".mlflow" / "mlflow.db").mkdir(parents=True)
    with pytest.raises(TrackingError, match=r"mlflow\.db can't be"):
        tracking.open_store(SETTINGS)


def test_a_full_disk_is_said_in_words(database: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (checkout / "worst.png").write_bytes(b"png")
    with tracking.run(SETTINGS, name="lite0", lineage=LINEAGE, params={}) as run:

        def full(*_: object) -> None:
            raise OSError(28, os.strerror(28))

        monkeypatch.setattr(run.store.client, "log_artifact", full)
        with pytest.raises(TrackingError, match="disk is full"):
            run.artifact(checkout / "worst.png")


def test_a_server_that_is_not_there_is_named_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with pytest.raises(TrackingError, match=rf"127\.0\.0\.1:{port} .*MLFLOW_TRACKING_URI.* doesn't answer"):
        tracking.open_store(SETTINGS)


def test_an_experiments_copy_writes_into_the_checkouts_store(database: Path, checkout: Path) -> None:
    copy = checkout / ".dvc" / "tmp" / "exps" / "standalone" / "tmpx1"
    copy.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy)
        assert project_root() == checkout
        with tracking.run(SETTINGS, name="queued", lineage=LINEAGE, params={}) as run:
            pass
    assert not list(copy.iterdir())
    assert run_of(run.run_id).info.run_name == "queued"


def note(name: str) -> Path:
    path = Path(f"{name}.txt")
    path.write_text("a note")
    return path


def test_a_moved_checkout_takes_its_artifacts_along(
    database: Path, checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracking.run(SETTINGS, name="lite0", lineage=LINEAGE, params={}) as run:
        run.artifact(note("a"), "notes")
    moved = tmp_path_factory.mktemp("Über mich #1 50%") / "neu"
    (checkout / ".mlflow").rename(checkout / "parked")
    moved.mkdir()
    (checkout / "parked").rename(moved / ".mlflow")
    monkeypatch.chdir(moved)
    mlflow_template.forget_stores()
    with tracking.resume(SETTINGS, run.run_id, name="evaluate", lineage=LINEAGE) as resumed:
        resumed.artifact(note("b"), "notes")
    client = resumed.store.client
    assert [item.path for item in client.list_artifacts(run.run_id, "notes")] == [
        "notes/a.txt",
        "notes/b.txt",
    ]
    assert (moved / ".mlflow" / "artifacts" / run.run_id / "artifacts" / "notes" / "b.txt").exists()
    assert not (checkout / ".mlflow").exists()


def test_a_folder_that_no_address_can_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "why?").mkdir()
    monkeypatch.chdir(tmp_path / "why?")
    with pytest.raises(TrackingError, match="rename the folder"):
        tracking.open_store(SETTINGS)


def test_importing_tracking_does_not_import_mlflow() -> None:
    code = "import sys, pipeline.tracking.runs; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0
