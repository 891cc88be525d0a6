"""The sqlite file under the MLflow store: is it free, is it sound, and does it know where it lies?"""

import sqlite3
from contextlib import closing
from pathlib import Path

from pipeline.core.errors import TrackingError


def locked(place: object) -> str:
    """What to say when another program holds the database."""
    return (
        f"{place} is locked: another run, `make runs` or a database browser holds it; "
        "wait for it or close it, then run again"
    )


def prepare(database: Path, experiment: str, artifacts: str, timeout_s: float) -> None:
    """Prove that ``database`` can be written now, and that it points at the artifacts beside it.

    A missing database is made, a lock waited for, ``timeout_s`` seconds. MLflow keeps absolute addresses: where the
    checkout was moved, copied or mounted elsewhere, a rollback would fail, or a copy write into the original's folder.
    ``artifacts`` is the file: address of the folder beside ``database``.

    Raises:
        TrackingError: it is locked, can't be written, or is no sqlite file.
    """
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrackingError(f"{database.parent} can't be made for the MLflow store: {error}") from error
    try:
        with closing(sqlite3.connect(database, timeout=timeout_s, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            _follow_move(connection, experiment, artifacts)
            connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise TrackingError(locked(database)) from error
        raise TrackingError(
            f"{database} can't be written ({error}); check the permissions and the space of its folder"
        ) from error
    except sqlite3.DatabaseError as error:
        raise TrackingError(
            f"{database} is no MLflow store ({error}); move it away, and the next run makes a new one"
        ) from error


def _follow_move(connection: sqlite3.Connection, experiment: str, artifacts: str) -> None:
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"experiments", "runs", "model_versions"} <= tables:
        return
    row = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", (experiment,))
    before = (row.fetchone() or (artifacts,))[0]
    if before == artifacts or not before.startswith("file:"):
        return
    for table, column in (
        ("experiments", "artifact_location"),
        ("runs", "artifact_uri"),
        ("model_versions", "source"),
        ("model_versions", "storage_location"),
    ):
        connection.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
            f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
            (artifacts, len(before) + 1, before, len(before) + 1, f"{before}/"),
        )
