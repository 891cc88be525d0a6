"""The story of every run, kept by MLflow: parameters, curves, artifacts and where it all came from.

`open_store` first, before anything that takes long; then `run` around the training, and `resume` for what the
later stages add to it. pipeline/tracking/store.py says where it is kept.
"""

import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from pipeline.core.config import flat
from pipeline.core.errors import TrackingError
from pipeline.data.split import SPLIT, read_split
from pipeline.tracking.lineage import DATA, Lineage, lineage
from pipeline.tracking.store import Settings, Store, open_store

__all__ = ["Lineage", "Run", "Settings", "lineage", "open_store", "resume", "run"]

AT_ONCE = 100  # parameters or figures: MLflow's limit
SAME_START_S = 60  # two processes of one id that started this close are the same one, clock changes included


@dataclass(frozen=True)
class Run:
    """One MLflow run that figures and files are added to; every method raises TrackingError where the store refuses."""

    store: Store
    run_id: str

    def metrics(self, figures: Mapping[str, float], step: int = 0) -> None:
        """Log figures of one step; NaN and infinity are kept as such."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._log(metrics=[Metric(_key(name), float(value), now, step) for name, value in figures.items()])

    def params(self, values: Mapping[str, Any]) -> None:
        """Log parameters, nested ones under dotted names; MLflow cuts long values (the artifact has them)."""
        from mlflow.entities import Param

        self._log(params=[Param(_key(name), str(value)) for name, value in flat(values).items()])

    def _log(self, **entities: list[Any]) -> None:
        ((kind, values),) = entities.items()
        for first in range(0, len(values), AT_ONCE):
            self.store.call("log_batch", self.run_id, **{kind: values[first : first + AT_ONCE]})

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags, replacing what they were."""
        for name, value in values.items():
            self.store.call("set_tag", self.run_id, name, value)

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Keep a file, or all that is in a folder, with the run, under ``folder`` of its artifacts."""
        self.store.call("log_artifacts" if path.is_dir() else "log_artifact", self.run_id, str(path), folder)


@contextmanager
def run(settings: Settings, *, name: str, lineage: Lineage, params: Mapping[str, Any]) -> Iterator[Run]:
    """A new run that is FINISHED when the block ends, FAILED on an error, KILLED on Ctrl-C.

    It carries ``params``, the lineage as tags and the composed configuration as artifact. Runs of this machine whose
    process is gone (kill -9) are marked KILLED on the way.

    Raises:
        TrackingError: see `open_store`.
    """
    store, status = open_store(settings), "FAILED"
    _mark_stale_runs_killed(store)
    current = _start(store, name, lineage)
    try:
        current.params(params)
        configuration = json.dumps(lineage.config, indent=2, ensure_ascii=False, default=str)
        store.call("log_text", current.run_id, configuration, "config.json")
        yield current
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        _end(current, status)


@contextmanager
def resume(settings: Settings, run_id: str, *, name: str, lineage: Lineage) -> Iterator[Run]:
    """Add to the run that trained; its status and times stay as they are.

    Where the store doesn't know ``run_id`` (the model came from DVC's cache, or .mlflow/ was removed), a run
    called ``name`` stands in for it, the same one each time.

    Raises:
        TrackingError: see `open_store`.
    """
    store, found = open_store(settings), []
    for key in ("attributes.run_id", "tags.stands_in_for"):
        found += store.call("search_runs", [store.experiment_id], f"{key} = '{run_id}'", max_results=1)
    current = Run(store, found[0].info.run_id) if found else _start(store, name, lineage, {"stands_in_for": run_id})
    if not found:
        _end(current, "FINISHED")
    yield current


def _start(store: Store, name: str, lineage: Lineage, more: Mapping[str, str] | None = None) -> Run:
    """Start a run with its data set, as MLflow's pages show it, and how many photos are on which side of the split."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    process = psutil.Process()
    tags = {**lineage.tags(), **(more or {}), "host": socket.gethostname(), "pid": str(process.pid)}
    tags["pid_started"] = f"{process.create_time():.0f}"
    sides = Counter(row.split for row in read_split(SPLIT)) if SPLIT.exists() else {}
    dataset = Dataset(
        name=DATA.as_posix(),
        digest=lineage.data_hash[:36],  # MLflow's longest
        source_type="dvc",
        source=json.dumps({"path": DATA.as_posix(), "hash": lineage.data_hash, "git_commit": lineage.git_commit}),
        profile=json.dumps({"num_rows": sum(sides.values()), **sides}),
    )
    used = DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])
    run_id = store.call("create_run", store.experiment_id, run_name=name, tags=tags).info.run_id
    store.call("log_inputs", run_id, [used])
    return Run(store, run_id)


def _end(current: Run, status: str) -> None:
    try:
        current.store.call("set_terminated", current.run_id, status)
    except TrackingError as error:  # the next run marks it; what happened inside the block matters more
        print(f"warning: run {current.run_id} could not be marked {status}: {error}", file=sys.stderr)


def _mark_stale_runs_killed(store: Store) -> None:
    query = f"attributes.status = 'RUNNING' and tags.host = '{socket.gethostname()}'"
    for each in store.call("search_runs", [store.experiment_id], query):
        tags = each.data.tags
        try:
            started = psutil.Process(int(tags["pid"])).create_time()
        except (KeyError, psutil.NoSuchProcess):
            started = 0.0
        if abs(started - float(tags.get("pid_started", 0))) > SAME_START_S:
            _end(Run(store, each.info.run_id), "KILLED")


def _key(name: str) -> str:
    """MLflow takes letters, digits, _ - . / and space in names; a label may hold others."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in name)
