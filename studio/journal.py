"""The journal: what a person did, one line a step, appended and never changed (data/edits.jsonl).

A step is written before it is carried out, and a second line says that it was. So a process that is killed between
the two finds at its next start what is left to do; carrying out a step twice is the same as once.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.core import files
from pipeline.core.errors import DataError, StorageError
from pipeline.data.manifest import Row
from studio.errors import BusyError

NAME = "edits.jsonl"
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Kind = Literal["teach", "relabel", "remove", "forget", "group", "describe", "settle", "undo", "keep", "rollback"]
# What is said of a step; {n} is the number of its photos.
SAID: dict[Kind, str] = {
    "teach": "taught {n} {label}",
    "relabel": "relabelled {n} as {label}",
    "remove": "removed {n}",
    "forget": "forgot {n}",
    "group": "put {n} into one sitting",
    "describe": "filled in author or licence of {n}",
    "settle": "looked at {n}, nothing is wrong",
    "undo": "undid {n}",
    "keep": "kept",
    "rollback": "went back to model {model}",
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(_Part):
    """What a step does to one photo: it comes (no row before), it leaves (no row after), or its row changes."""

    photo: int = Field(ge=1)  # the number of the photo, the same in all the steps that change it
    sha256: Sha256  # of its bytes
    before: Row | None = None
    after: Row | None = None
    place: int | None = None  # index of its row in the manifest, where it leaves or comes back; None: the end

    @cached_property
    def changed(self) -> tuple[str, ...]:
        """The columns that a photo that stays has changed in."""
        before, after = self.before, self.after
        if before is None or after is None:
            return ()
        return tuple(f.name for f in fields(Row) if getattr(before, f.name) != getattr(after, f.name))


class Settled(_Part):
    """Flags of one picture that a person has looked at and found in order: never raised again."""

    sha256: Sha256
    kinds: tuple[str, ...]


class Step(_Part):
    """What a person did in one go. Every kind has the fields that it needs; the others keep their defaults."""

    step: int = Field(ge=1)  # counts up from 1
    at: AwareDatetime
    kind: Kind
    label: str = ""  # of teach and relabel
    author: str = ""  # of teach
    of: int | None = None  # the step that an undo or a rollback takes back
    model: str = ""  # version that a rollback went back to
    why: str = ""  # a sentence: why photos left, or what an undo could not take back
    sent: tuple[int, ...] = ()  # of teach: index of the sent frame that each photo is
    changes: tuple[Change, ...] = ()
    settled: tuple[Settled, ...] = ()

    @property
    def photos(self) -> int:
        """How many photos it is about."""
        return len(self.changes) + len(self.settled)

    @cached_property
    def parts(self) -> frozenset[int | str]:
        """What an undo takes back one by one: numbers of photos, and hashes of settled pictures."""
        return frozenset({change.photo for change in self.changes} | {each.sha256 for each in self.settled})


class Done(_Part):
    """The step was carried out."""

    kind: Literal["done"] = "done"
    step: int
    at: AwareDatetime


_LINE: TypeAdapter[Step | Done] = TypeAdapter(Step | Done)


class Journal:
    """The journal at ``path``; one process writes it at a time.

    Attributes:
        steps: every step by its number, in order.
        rows: the row of each photo, by its number, after all the steps; None where it has left.
    """

    def __init__(self, path: Path) -> None:
        """Read it; a last line that a crash cut off is taken away.

        Raises:
            DataError: a line in the middle is none of ours.
        """
        self.path = path
        self._load()

    def _load(self) -> None:
        self.steps: dict[int, Step] = {}
        self.rows: dict[int, Row | None] = {}
        self._number: dict[str, int] = {}  # of the photo that lies in a file
        self._undos: dict[int, list[Step]] = defaultdict(list)
        self._done: set[int] = set()
        for line in self._read():
            if isinstance(line, Done):
                self._done.add(line.step)
            else:
                self._add(line)
        self._size = self.path.stat().st_size if self.path.exists() else 0  # tells whether another program writes

    @property
    def next(self) -> int:
        """The number of the next step."""
        return max(self.steps, default=0) + 1

    def unfinished(self) -> list[Step]:
        """Steps that were written and not carried out to their end."""
        return [step for number, step in self.steps.items() if number not in self._done]

    def numbers(self, names: list[str]) -> list[int]:
        """The number of the photo in each file; photos of which no step tells get new ones."""
        free = max(self.rows, default=0)
        return [self._number.get(name) or (free := free + 1) for name in names]

    def stands(self, step: Step, part: int | str) -> bool:
        """Whether no undo has taken ``part`` of a step back (or that undo was undone in turn)."""
        return not any(part in undo.parts and self.stands(undo, part) for undo in self._undos[step.step])

    def changes(self, number: int) -> list[Change]:
        """The changes of a step that can be undone: not undone, and not overtaken by a later step."""
        step = self.steps[number]
        return [change for change in step.changes if self.stands(step, change.photo) and self._holds(change)]

    def standing(self, number: int) -> tuple[str, ...]:
        """What an undo of the step would take back: files of its photos, hashes of settled pictures."""
        step, names = self.steps[number], []
        for change in self.changes(number):
            row = self.rows[change.photo] or change.before
            names += [row.file] if row else []
        return (*names, *(each.sha256 for each in step.settled if self.stands(step, each.sha256)))

    def settled(self) -> set[tuple[str, str]]:
        """Hash and kind of every flag that was found in order."""
        return {
            (each.sha256, kind)
            for step in list(self.steps.values())  # another thread may add one
            if step.kind != "undo"
            for each in step.settled
            if self.stands(step, each.sha256)
            for kind in each.kinds
        }

    def said(self, number: int) -> str:
        """A step in a few words."""
        step = self.steps[number]
        words = SAID[step.kind].format(n=step.photos, label=step.label, model=step.model)
        if step.kind == "undo" and step.of:
            words += f" of step {step.of} ({self.said(step.of)})"
        return f"{words}: {step.why}" if step.why else words

    def taken_in(self) -> set[str]:
        """Hashes of the photos that steps have brought, whatever has become of them; undone ones left out."""
        return {
            change.sha256
            for step in list(self.steps.values())
            if step.kind != "undo"
            for change in step.changes
            if change.before is None and self.stands(step, change.photo)
        }

    def append(self, step: Step) -> None:
        """Write a step.

        Raises:
            BusyError: another program has written meanwhile; its steps are known now.
            StorageError: the disk is full; the journal is as it was.
        """
        self._write(step)
        self._add(step)

    def append_keep(self) -> Step:
        """Note that the photos as they are go to the pipeline; before it looks, as the journal is part of the data."""
        return self._note("keep", "", None, "")

    def append_rollback(self, of: int, model: str, why: str = "") -> Step:
        """Note that the keep ``of`` was taken back: ``model`` is promoted again."""
        return self._note("rollback", model, of, why)

    def finish(self, step: Step) -> None:
        """Note that a step was carried out. A full disk does no harm: the next step, or start, makes up for it."""
        with suppress(StorageError, BusyError):
            self._write(Done(step=step.step, at=datetime.now(UTC)))
            self._done.add(step.step)

    def take_back(self) -> None:
        """Take the last line, a step that could not be carried out, away."""
        data = self.path.read_bytes()
        os.truncate(self.path, data.rstrip(b"\n").rfind(b"\n") + 1)
        self._load()

    def _note(self, kind: Kind, model: str, of: int | None, why: str) -> Step:
        step = Step(step=self.next, at=datetime.now(UTC), kind=kind, model=model, of=of, why=why)
        self.append(step)
        self.finish(step)
        return step

    def _holds(self, change: Change) -> bool:
        row, after = self.rows[change.photo], change.after
        if row is None or after is None:
            return row is after
        if change.before is None or "file" in change.changed:
            return row.file == after.file
        return any(getattr(row, name) == getattr(after, name) for name in change.changed)

    def _add(self, step: Step) -> None:
        self.steps[step.step] = step
        if step.of is not None:
            self._undos[step.of].append(step)
        for change in step.changes:
            if change.before:
                self._number.pop(change.before.file, None)
        for change in step.changes:
            self.rows[change.photo] = change.after
            if change.after:
                self._number[change.after.file] = change.photo

    def _write(self, line: Step | Done) -> None:
        size = self.path.stat().st_size if self.path.exists() else 0
        if size != self._size:
            self._load()
            raise BusyError("another program has changed the photos meanwhile; look at them again, then repeat it")
        data = line.model_dump_json(exclude_defaults=isinstance(line, Step)).encode() + b"\n"
        try:
            with self.path.open("ab", buffering=0) as file:
                file.write(data)
                os.fsync(file.fileno())
            self._size = size + len(data)
        except OSError as error:
            if self.path.exists():
                os.truncate(self.path, size)
            raise files.explain(error, self.path) from error

    def _read(self) -> Iterator[Step | Done]:
        data = self.path.read_bytes() if self.path.exists() else b""
        whole, _, torn = data.rpartition(b"\n")
        if torn:
            os.truncate(self.path, len(data) - len(torn))
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                yield _LINE.validate_json(line)
            except ValidationError as error:
                raise DataError(
                    f"{self.path}, line {number} is no step; take it out, or bring the file back"
                ) from error
