"""The sqlite file under the MLflow store: is it free, is it sound, and does it know where it lies?"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.core.errors import TrackingError


def locked(place: object) -> str:
    """What to say when another program holds the database."""
    return (
        f"{place} is locked: another run, `make runs` or a database browser holds it; "
        "wait for it or close it, then run again"
    )


def check(database: Path, timeout_s: float) -> None:
    """Prove that ``database`` can be written now; a missing one is made.

    A lock is waited for, ``timeout_s`` seconds.

    Raises:
        TrackingError: it is locked, can't be written, or is no sqlite file.
    """
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrackingError(f"{database.parent} can't be made for the MLflow store: {error}") from error
    with _writing(database, timeout_s):
        pass


def follow_move(database: Path, experiment: str, artifacts: str, timeout_s: float) -> None:
    """Point a store whose checkout was moved, copied or mounted elsewhere at the artifacts that came along.

    MLflow keeps absolute addresses. Left alone, a moved checkout could not roll back, and a copied one would
    write into the original's folder. ``artifacts`` is the file: address of the folder beside ``database``.

    Raises:
        TrackingError: see `check`.
    """
    with _writing(database, timeout_s) as connection:
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


@contextmanager
def _writing(database: Path, timeout_s: float) -> Iterator[sqlite3.Connection]:
    try:
        connection = sqlite3.connect(database, timeout=timeout_s, isolation_level=None)
    except sqlite3.Error as error:
        raise TrackingError(f"{database} can't be opened for the MLflow store: {error}") from error
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
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
    finally:
        connection.close()
