"""Who made which model the champion, when and why: models/promotions.jsonl, one line a change, oldest first.

MLflow's alias says who is champion now and forgets who was; this file is what a rollback goes back by.
"""

import getpass
import json
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pipeline.core import files
from pipeline.core.errors import DataError

FILE = "promotions.jsonl"
Action = Literal["promote", "rollback", "repair", "forget"]


@dataclass(frozen=True)
class Entry:
    """One change of champion.

    ``version`` is the number in MLflow's registry, ``bundle`` the name in the manifest, ``previous`` the
    number of the champion before (None: there was none). Models are told apart by their fingerprint: a new
    store counts its versions from 1 again. A repair writes down a champion that this file had missed; forget, one that
    took the place of a champion that knew a photo which was forgotten.
    """

    when: str  # ISO 8601, UTC
    who: str
    action: Action
    version: int
    bundle: str
    fingerprint: str
    previous: int | None
    why: str


def read(folder: Path) -> list[Entry]:
    """All entries of ``folder``/promotions.jsonl, oldest first; none where there is no such file.

    Raises:
        DataError: a line can't be read; names it.
    """
    path, entries = folder / FILE, []
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        try:
            entries.append(Entry(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}, line {number}, is damaged ({error}); repair or remove that line") from error
    return entries


def append(folder: Path, entry: Entry) -> None:
    """Add ``entry``, whole or not at all.

    Raises:
        DataError: the file is damaged.
        StorageError: the disk is full or the folder can't be written.
    """
    entries = [*read(folder), entry]
    lines = "".join(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in entries)
    files.write_text(folder / FILE, lines)


def replay(entries: Sequence[Entry]) -> tuple[list[Entry], dict[str, Entry]]:
    """The champions that a rollback can go back through, the present one last, and what rollbacks have removed.

    Rolling back removes those that it passes: after promoting a, b, c and a rollback (to b), the next one goes to a.

    Returns:
        The champions, and for the fingerprint of each removed model, unless it was made champion again since, the
        rollback that removed it.
    """
    stack: dict[str, Entry] = {}
    removed: dict[str, Entry] = {}
    for entry in entries:
        if entry.action in ("rollback", "forget") and entry.fingerprint in stack:
            while (last := next(reversed(stack))) != entry.fingerprint:
                del stack[last]
                if entry.action == "rollback":  # nobody found fault with the model of a photo that was forgotten
                    removed[last] = entry
        stack.pop(entry.fingerprint, None)
        removed.pop(entry.fingerprint, None)
        stack[entry.fingerprint] = entry
    return list(stack.values()), removed


def git_user() -> str:
    """git's user; empty where none is set."""
    with suppress(OSError):
        return subprocess.run(
            ["git", "config", "user.name"], capture_output=True, text=True, check=False
        ).stdout.strip()
    return ""


def who() -> str:
    """git's user where one is set, else the system's."""
    if name := git_user():
        return name
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return "unknown"
