"""MLflow stores for tests: the schema is made once (a second), then copied (a millisecond)."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.tracking import store

# MLflow 3.17 uses what SQLAlchemy 2.1 deprecates; nothing that this project could change.
MLFLOWS_OWN_WARNINGS = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")
SETTINGS = store.Settings(experiment="art-text-plant", lock_timeout_s=0.2)


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mlflow-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store.open_store(SETTINGS)
    return folder / ".mlflow" / "mlflow.db"


def shorten_mlflows_patience(patch: pytest.MonkeyPatch) -> None:
    """Let MLflow wait 0.1 s instead of 20 for a lock, which it sets in every session."""
    import sqlalchemy
    from mlflow.store.db import utils

    def text(statement: str) -> object:
        return sqlalchemy.text(statement.replace("busy_timeout = 20000", "busy_timeout = 100"))

    patch.setattr(utils, "sql", SimpleNamespace(text=text))


def forget_stores() -> None:
    """Do what a fresh process does: open databases anew and look up where a run's artifacts lie."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as RegistryStore
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as TrackingStore
    from mlflow.tracking._tracking_service import utils

    for engine in (*RegistryStore._engine_map.values(), *TrackingStore._engine_map.values()):
        engine.dispose()
    utils._artifact_repos_cache.clear()


def make(root: Path) -> Path:
    """Give ``root`` a fresh .mlflow/mlflow.db, as a first run would, and return its path."""
    database = root / ".mlflow" / "mlflow.db"
    database.parent.mkdir(parents=True)
    shutil.copy(_template(), database)
    return database
