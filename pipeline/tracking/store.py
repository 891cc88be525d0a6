"""The MLflow store: .mlflow/ in the user's checkout, or the server that MLFLOW_TRACKING_URI names.

An experiment that DVC runs in a copy elsewhere uses the checkout's store too. MLflow takes a second to
import, so that only happens when a store is opened.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field

from pipeline.core import config, files
from pipeline.core.errors import TrackingError
from pipeline.tracking import sqlite

EXPERIMENT_COPIES = (".dvc", "tmp", "exps")  # where DVC runs queued and temporary experiments


class Settings(config.Settings):
    """conf/tracking/: see there for units and reasons."""

    experiment: str = Field(min_length=1)
    lock_timeout_s: float = Field(gt=0, le=300)
    system_metrics_interval_s: float = Field(ge=0)


@dataclass(frozen=True)
class Store:
    """An MLflow store that answered; ``client`` is an MlflowClient for runs and registry."""

    client: Any
    uri: str
    experiment_id: str
    place: str  # its file or address, as an error names it
    settings: Settings


def project_root(start: Path | None = None) -> Path:
    """The user's checkout: the current folder, or the checkout to which an experiment's copy belongs."""
    here = (start or Path.cwd()).resolve()
    for place in range(len(here.parts) - len(EXPERIMENT_COPIES)):
        if here.parts[place : place + len(EXPERIMENT_COPIES)] == EXPERIMENT_COPIES:
            return Path(*here.parts[:place])
    return here


def open_store(settings: Settings) -> Store:
    """Open the store, making it on first use; call it before anything that takes long.

    Raises:
        TrackingError: the database is locked, can't be written or is none, or the server doesn't answer.
    """
    root = project_root()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root / '.mlflow' / 'mlflow.db'}"
    artifacts = None
    place = uri
    if uri.startswith("sqlite:///"):
        database = root / uri.removeprefix("sqlite:///")
        place = str(database)
        if "?" in place:  # begins the options in a database's address, and can't be quoted there
            raise TrackingError(f"{database} can't be a database: rename the folder that has a ? in its name")
        artifacts = (database.parent / "artifacts").as_uri()
        sqlite.prepare(database, settings.experiment, artifacts, settings.lock_timeout_s)
        uri = f"sqlite:///{database}"
    elif uri.startswith(("http://", "https://")):
        _check_reachable(uri, settings.lock_timeout_s)
    client = _client(uri)
    store = Store(client, uri, "", place, settings)
    with explained(store):
        return Store(client, uri, _experiment(client, settings.experiment, artifacts), place, settings)


@contextmanager
def explained(store: Store) -> Iterator[None]:
    """Turn what MLflow raises inside the block into a `TrackingError` that names the store."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError) as error:
        if "locked" in str(error):
            raise TrackingError(sqlite.locked(store.place)) from error
        if "No space left" in str(error.__context__):
            raise TrackingError(
                f"the disk is full: {store.place} was not written; free some space"
            ) from error
        raise TrackingError(
            f"the MLflow store {store.place} refuses: {str(error).splitlines()[0]}"
        ) from error
    except OSError as error:
        raise TrackingError(str(files.explain(error, Path(store.place)))) from error


def _client(uri: str) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_DISABLE_AGENT_HINT", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # It logs a traceback for what it then raises; `explained` says it in a sentence.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _experiment(client: Any, name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    if (found := client.get_experiment_by_name(name)) is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException:  # another run made it between the two calls
            if (found := client.get_experiment_by_name(name)) is None:
                raise
    if found.lifecycle_stage != "active":
        client.restore_experiment(found.experiment_id)  # deleted in the UI; runs would be refused
    return str(found.experiment_id)


def _check_reachable(uri: str, timeout_s: float) -> None:
    """Ask in seconds what MLflow's own retries find out in minutes: is anybody there?"""
    where = urlsplit(uri)
    port = where.port or (443 if where.scheme == "https" else 80)
    try:
        socket.create_connection((where.hostname or "", port), timeout_s).close()
    except OSError as error:
        raise TrackingError(
            f"the MLflow server {uri} (MLFLOW_TRACKING_URI) doesn't answer: {error}; start it, or unset the "
            "variable to keep runs in .mlflow/"
        ) from error
