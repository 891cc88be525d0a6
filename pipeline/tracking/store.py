"""The MLflow store: .mlflow/ in the user's checkout, or the server that MLFLOW_TRACKING_URI names.

An experiment that DVC runs in a copy elsewhere uses the checkout's store too. MLflow takes a second to
import, so that only happens when a store is opened.
"""

import logging
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from pipeline.core import config, files
from pipeline.core.errors import TrackingError

# Where MLflow keeps addresses of artifacts.
ADDRESSES = (
    "experiments.artifact_location",
    "runs.artifact_uri",
    "model_versions.source",
    "model_versions.storage_location",
)
EXPERIMENT_COPIES = "/.dvc/tmp/exps/"  # where DVC runs queued and temporary experiments


class Settings(config.Settings):
    """conf/tracking/: see there for units and reasons."""

    experiment: str = Field(min_length=1)
    lock_timeout_s: float = Field(gt=0, le=300)


@dataclass(frozen=True)
class Store:
    """An MLflow store that answered; ``client`` is an MlflowClient for runs and registry."""

    client: Any
    uri: str
    experiment_id: str
    place: str  # its file or address, as an error names it
    settings: Settings

    def call(self, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of ``client``; what MLflow raises becomes a `TrackingError` that names the store."""
        with explained(self.place):
            return getattr(self.client, method)(*arguments, **named)


def project_root() -> Path:
    """The user's checkout: the current folder, or the checkout to which an experiment's copy belongs."""
    return Path(Path.cwd().as_posix().partition(EXPERIMENT_COPIES)[0])


def open_store(settings: Settings) -> Store:
    """Open the store, making it on first use; call it before anything that takes long.

    Raises:
        TrackingError: the database is locked, can't be written or is none, or the server doesn't answer.
    """
    root = project_root()
    uri = place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / '.mlflow' / 'mlflow.db'}"
    artifacts = None
    if uri.startswith("sqlite:///"):
        database = root / uri.removeprefix("sqlite:///")
        if "?" in str(database):  # begins the options in a database's address, and can't be quoted there
            raise TrackingError(f"{database} can't be a database: rename the folder that has a ? in its name")
        uri, place = f"sqlite:///{database}", str(database)
        artifacts = (database.parent / "artifacts").as_uri()
        _prepare(database, settings, artifacts)
    elif uri.startswith(("http://", "https://")):
        _check_reachable(uri, settings.lock_timeout_s)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_DISABLE_AGENT_HINT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # It logs a traceback for what it then raises; `explained` says it in a sentence.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    with explained(place):
        found = client.get_experiment_by_name(settings.experiment)
        if found and found.lifecycle_stage != "active":
            client.restore_experiment(found.experiment_id)  # deleted in the UI; runs would be refused
        identity = found.experiment_id if found else client.create_experiment(settings.experiment, artifacts)
    return Store(client, uri, str(identity), place, settings)


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Turn what MLflow raises inside the block into a `TrackingError` that names the store's ``place``."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        if "locked" in str(error):
            raise _locked(place) from error
        if "No space left" in str(error.__context__):
            raise TrackingError(f"the disk is full: {place} was not written; free some space") from error
        raise TrackingError(f"the MLflow store {place} refuses: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise TrackingError(str(files.explain(error, Path(place)))) from error


def _locked(place: object) -> TrackingError:
    return TrackingError(
        f"{place} is locked: another run, `make runs` or a database browser holds it; "
        "wait for it or close it, then run again"
    )


def _prepare(database: Path, settings: Settings, artifacts: str) -> None:
    """Prove that ``database`` can be written now, and that it points at ``artifacts``, the folder beside it.

    MLflow keeps absolute addresses: where the checkout was moved, copied or mounted elsewhere, a rollback would fail,
    or a copy write into the original's folder.
    """
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(database, timeout=settings.lock_timeout_s, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'model_versions'").fetchone():
                _follow_move(connection, settings.experiment, artifacts)
            connection.execute("COMMIT")
    except OSError as error:
        raise TrackingError(f"{database.parent} can't be made for the MLflow store: {error}") from error
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise _locked(database) from error
        raise TrackingError(
            f"{database} can't be used as MLflow store ({error}): check the permissions and the space of its folder; "
            "if it is damaged, move it away, and the next run makes a new one"
        ) from error


def _follow_move(connection: sqlite3.Connection, experiment: str, artifacts: str) -> None:
    row = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", (experiment,)).fetchone()
    if row and row[0] != artifacts and row[0].startswith("file:"):
        for place in ADDRESSES:
            table, column = place.split(".")
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (row[0], artifacts))


def _check_reachable(uri: str, timeout_s: float) -> None:
    """Ask in seconds what MLflow's own retries find out in minutes: is anybody there?"""
    where = urlsplit(uri)
    try:
        port = where.port or {"http": 80, "https": 443}[where.scheme]
        socket.create_connection((where.hostname or "", port), timeout_s).close()
    except OSError as error:
        raise TrackingError(
            f"the MLflow server {uri} (MLFLOW_TRACKING_URI) doesn't answer: {error}; start it, or unset the "
            "variable to keep runs in .mlflow/"
        ) from error
