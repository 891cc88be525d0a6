"""The journal: what a person did, one line a step, appended and never changed (data/edits.jsonl).

A step is written before it is carried out, and a second line says that it was. So a process that is killed between
the two finds at its next start what is left to do; carrying out a step twice is the same as once.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipeline.core import files
from pipeline.core.errors import DataError

NAME = "edits.jsonl"


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int = Field(ge=1)  # counts up from 1
    at: AwareDatetime


class Photo(BaseModel):
    """A photo of a step: its file below data/images, and the sha256 of its bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Teach(_Line):
    """Photos were taken for a label, in one burst."""

    action: Literal["teach"] = "teach"
    label: str
    author: str
    photos: tuple[Photo, ...]


class Undo(_Line):
    """Photos of an earlier step left: all of them, or those that were dropped from it."""

    action: Literal["undo"] = "undo"
    of: int
    photos: tuple[Photo, ...]


class Done(_Line):
    """The step was carried out."""

    action: Literal["done"] = "done"


Step = Teach | Undo
_LINE: TypeAdapter[Teach | Undo | Done] = TypeAdapter(Annotated[Teach | Undo | Done, Field(discriminator="action")])


class Journal:
    """The journal at ``path``; one process writes it at a time."""

    def __init__(self, path: Path) -> None:
        """Read it; a last line that a crash cut off is taken away.

        Raises:
            DataError: a line in the middle is none of ours.
        """
        self.path = path
        self.steps: dict[int, Step] = {}
        self._done: set[int] = set()
        for line in self._read():
            if isinstance(line, Done):
                self._done.add(line.step)
            else:
                self.steps[line.step] = line

    @property
    def next(self) -> int:
        """The number of the next step."""
        return max(self.steps, default=0) + 1

    def unfinished(self) -> list[Step]:
        """Steps that were written and not carried out to their end."""
        return [step for number, step in self.steps.items() if number not in self._done]

    def photos(self, step: int) -> tuple[Photo, ...]:
        """The photos of a step that are still there."""
        gone = {
            photo
            for other in self.steps.values()
            if isinstance(other, Undo) and other.of == step
            for photo in other.photos
        }
        return tuple(photo for photo in self.steps[step].photos if photo not in gone)

    def append(self, step: Step) -> None:
        """Write a step.

        Raises:
            StorageError: the disk is full; the journal is as it was.
        """
        self._write(step)
        self.steps[step.step] = step

    def finish(self, step: Step) -> None:
        """Note that a step was carried out; raises like `append`."""
        self._write(Done(step=step.step, at=datetime.now(UTC)))
        self._done.add(step.step)

    def take_back(self, step: Step) -> None:
        """Take the last line, a step that could not be carried out, away."""
        data = self.path.read_bytes()
        os.truncate(self.path, data.rstrip(b"\n").rfind(b"\n") + 1)
        del self.steps[step.step]

    def _write(self, line: Step | Done) -> None:
        size = self.path.stat().st_size if self.path.exists() else 0
        try:
            with self.path.open("ab", buffering=0) as file:
                file.write(line.model_dump_json().encode() + b"\n")
                os.fsync(file.fileno())
        except OSError as error:
            if self.path.exists():
                os.truncate(self.path, size)
            raise files.explain(error, self.path) from error

    def _read(self) -> Iterator[Teach | Undo | Done]:
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
