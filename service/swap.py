"""A change of model: every worker loads the new one, and only when all have, all take it over."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from service.channel import Message


@dataclass(frozen=True)
class Model:
    """A bundle on its way to the workers, or served by them."""

    generation: int  # counts changes
    token: str  # by which the watcher knows it
    version: str
    folder: Path

    @classmethod
    def of(cls, message: Message, generation: int) -> Self:
        """From what the watcher found."""
        return cls(generation, message["token"], message["version"], Path(message["folder"]))


class Swap:
    """Who has loaded the new model and who has yet to."""

    def __init__(self, model: Model, places: list[int], *, at_once: bool) -> None:
        """Begin.

        Args:
            model: the new one.
            places: of all workers.
            at_once: let all load it at the same time. One after the other, which leaves the other cores to
                requests, is better while an old model is served.
        """
        self.model = model
        self._at_once = at_once
        self._waiting = list(places)
        self._loading: set[int] = set()

    def next(self) -> list[int]:
        """Workers that shall begin to load now."""
        if self._loading and not self._at_once:
            return []
        count = len(self._waiting) if self._at_once else 1
        begin, self._waiting = self._waiting[:count], self._waiting[count:]
        self._loading |= set(begin)
        return begin

    def prepared(self, place: int) -> None:
        """A worker has loaded it, and it reproduced its golden frames there."""
        self._loading.discard(place)

    @property
    def done(self) -> bool:
        """Whether all have."""
        return not self._waiting and not self._loading
