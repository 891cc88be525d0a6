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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from pipeline.core.errors import TrackingError
from pipeline.data.split import SPLIT, read_split
from pipeline.tracking.lineage import DATA, Lineage, lineage
from pipeline.tracking.store import Settings, Store, explained, open_store

__all__ = ["Lineage", "Run", "Settings", "lineage", "open_store", "resume", "run"]

LONGEST_VALUE = 500  # characters of a parameter; the whole configuration is an artifact anyway
BATCH = 100  # parameters in one request, MLflow's limit
SAME_START_S = 60  # two processes of one id that started this close are the same one, clock changes included


@dataclass
class Run:
    """One MLflow run that figures and files are added to.

    Metrics that can't be written because another program holds the database wait here and go with the next
    ones: a training is not lost to a lock in its fourth minute. `flush`, at the end, raises.
    """

    store: Store
    run_id: str
    _waiting: list[Any] = field(default_factory=list)

    def metrics(self, figures: Mapping[str, float], step: int = 0) -> None:
        """Log figures of one step; NaN and infinity are kept as such."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._waiting += [Metric(_key(name), float(value), now, step) for name, value in figures.items()]
        try:
            self.flush()
        except TrackingError as error:
            print(f"warning: {error} ({len(self._waiting)} figures wait for it)", file=sys.stderr)

    def flush(self) -> None:
        """Write the figures that wait.

        Raises:
            TrackingError: the store still can't be written.
        """
        while self._waiting:
            part = self._waiting[: 10 * BATCH]
            with explained(self.store):
                self.store.client.log_batch(self.run_id, metrics=part)
            del self._waiting[: len(part)]

    def params(self, values: Mapping[str, Any]) -> None:
        """Log parameters, nested ones under dotted names; long values are cut (the artifact has them)."""
        from mlflow.entities import Param

        flat = [Param(_key(name), _short(value)) for name, value in _flat(values)]
        for first in range(0, len(flat), BATCH):
            with explained(self.store):
                self.store.client.log_batch(self.run_id, params=flat[first : first + BATCH])

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags, replacing what they were."""
        for name, value in values.items():
            with explained(self.store):
                self.store.client.set_tag(self.run_id, name, value)

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Keep a file, or all that is in a folder, with the run, under ``folder`` of its artifacts."""
        client = self.store.client
        with explained(self.store):
            (client.log_artifacts if path.is_dir() else client.log_artifact)(self.run_id, str(path), folder)

    def text(self, text: str, path: str) -> None:
        """Keep ``text`` with the run as the file ``path`` of its artifacts."""
        with explained(self.store):
            self.store.client.log_text(self.run_id, text, path)


@contextmanager
def run(settings: Settings, *, name: str, lineage: Lineage, params: Mapping[str, Any]) -> Iterator[Run]:
    """A new run that is FINISHED when the block ends, FAILED on an error, KILLED on Ctrl-C.

    It carries ``params``, the lineage as tags, the composed configuration as artifact and, while it goes on,
    the system's figures. Runs of this machine whose process is gone (kill -9) are marked KILLED on the way.

    Raises:
        TrackingError: see `open_store`; also where figures can't be written at the end.
    """
    store = open_store(settings)
    mark_stale_runs_killed(store)
    current = _start(store, name, lineage)
    monitor = None
    status = "FAILED"
    try:
        current.params(params)
        current.text(json.dumps(lineage.config, indent=2, ensure_ascii=False, default=str), "config.json")
        monitor = _monitor(current)
        yield current
        current.flush()
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        if monitor:
            monitor.finish()
        _end(current, status)


@contextmanager
def resume(settings: Settings, run_id: str | None, *, name: str, lineage: Lineage) -> Iterator[Run]:
    """Add to the run that trained; its status and times stay as they are.

    Where the store doesn't know ``run_id`` (the model came from DVC's cache, or .mlflow/ was removed), a run
    called ``name`` stands in for it, the same one each time.

    Raises:
        TrackingError: see `open_store`.
    """
    store = open_store(settings)
    known = _find_run(store, run_id)
    if known:
        current = Run(store, known)
    else:
        current = _start(store, name, lineage, {"stands_in_for": run_id or "unknown"})
        _end(current, "FINISHED")
    yield current
    current.flush()


def _find_run(store: Store, run_id: str | None) -> str | None:
    """The run ``run_id``, or the one that stands in for it, or None where the store has neither."""
    from mlflow.exceptions import MlflowException

    if not run_id:
        return None
    query = f"tags.stands_in_for = '{run_id}'"
    with explained(store):
        try:
            if store.client.get_run(run_id).info.lifecycle_stage == "active":
                return run_id
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        found = store.client.search_runs([store.experiment_id], query, max_results=1)
    return found[0].info.run_id if found else None


def _start(store: Store, name: str, lineage: Lineage, more: Mapping[str, str] | None = None) -> Run:
    process = psutil.Process()
    tags = {
        "host": socket.gethostname(),
        "pid": str(process.pid),
        "pid_started": f"{process.create_time():.0f}",
    }
    with explained(store):
        made = store.client.create_run(
            store.experiment_id, run_name=name, tags=lineage.tags() | tags | dict(more or {})
        )
        store.client.log_inputs(made.info.run_id, [_dataset(lineage)])
    return Run(store, made.info.run_id)


def _dataset(lineage: Lineage) -> Any:
    """data/ as MLflow's pages show it; build/split.csv, where there is one, says how many photos are on which side."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    sides = Counter(row.split for row in read_split(SPLIT)) if SPLIT.exists() else {}
    source = {"path": DATA.as_posix(), "hash": lineage.data_hash, "git_commit": lineage.git_commit}
    dataset = Dataset(
        name=DATA.as_posix(),
        digest=lineage.data_hash.removeprefix("sha256:")[:36],  # MLflow's longest
        source_type="dvc",
        source=json.dumps(source),
        profile=json.dumps({"num_rows": sum(sides.values()), **sides}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def _end(current: Run, status: str) -> None:
    try:
        with explained(current.store):
            current.store.client.set_terminated(current.run_id, status)
    except TrackingError as error:  # the next run marks it; what happened inside the block matters more
        print(f"warning: run {current.run_id} could not be marked {status}: {error}", file=sys.stderr)


def _monitor(current: Run) -> Any:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    interval = current.store.settings.system_metrics_interval_s
    if not interval:
        return None
    monitor = SystemMetricsMonitor(current.run_id, sampling_interval=interval, tracking_uri=current.store.uri)
    monitor.start()
    return monitor


def mark_stale_runs_killed(store: Store) -> None:
    query = f"attributes.status = 'RUNNING' and tags.host = '{socket.gethostname()}'"
    with explained(store):
        running = store.client.search_runs([store.experiment_id], query)
    for each in running:
        tags = each.data.tags
        if not _alive(int(tags.get("pid", 0)), float(tags.get("pid_started", 0))):
            _end(Run(store, each.info.run_id), "KILLED")


def _alive(pid: int, started: float) -> bool:
    try:
        return abs(psutil.Process(pid).create_time() - started) < SAME_START_S
    except psutil.NoSuchProcess:
        return False


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _key(name: str) -> str:
    """MLflow takes letters, digits, _ - . / and space in names; a label may hold others."""
    return "".join(c if c.isalnum() or c in "_-. /" else "_" for c in name)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
