"""What the handlers share."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.requests import HTTPConnection
from starlette.types import Scope

from service.inference.queue import InferenceQueue
from service.metrics import Metrics
from service.models.source import Tainted
from service.models.watcher import Watcher
from service.problems import NOT_READY, Problem
from service.settings import Settings


class Buffer:
    """The bytes of bodies and frames that are held; of one event loop, so it needs no lock."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    def take(self, count: int) -> bool:
        """Reserve ``count`` bytes; False where they would exceed the limit."""
        if count > self._free:
            return False
        self._free -= count
        return True

    def give(self, count: int) -> None:
        """Give reserved bytes back."""
        self._free += count


@dataclass
class State:
    """Of one service; only its event loop touches it."""

    settings: Settings
    metrics: Metrics
    queue: InferenceQueue
    watcher: Watcher
    buffer: Buffer
    loop: asyncio.AbstractEventLoop
    draining: bool = False  # the service stops: not ready any more, but all is still answered
    streams: dict[Callable[[], None], str] = field(default_factory=dict)  # what stops each, and its client's address

    def readiness(self) -> dict[str, Any]:
        """What /readyz answers.

        Raises:
            Problem: not ready.
        """
        if self.draining:
            raise Problem(NOT_READY, "the service stops; ask another one")
        if self.queue.model is None and self.watcher.trouble == Tainted.outcome:
            raise Problem(NOT_READY, "tainted: the model knew a photo that was forgotten; train and promote another")
        return {"ready": True, "model": self.queue.served().version, "trouble": self.watcher.trouble or None}

    def refusal(self, client: str) -> str | None:
        """The limit that one more stream of ``client`` would exceed."""
        if len(self.streams) >= self.settings.streams:
            return "streams"
        most = max(1, int(self.settings.streams * self.settings.address_share))
        return "streams-address" if Counter(self.streams.values())[client] >= most else None

    def drain(self) -> None:
        """The service stops soon."""
        self.draining = True
        for stop in tuple(self.streams):
            stop()


def of(connection: HTTPConnection) -> State:
    """The state of the application that a connection came to."""
    state: State = connection.app.state.service
    return state


def client_of(scope: Scope) -> str:
    """The address of the client; behind a trusted proxy, the one that the proxy names."""
    return str(scope["client"][0]) if scope.get("client") else "unknown"


async def _of_request(request: Request) -> State:
    return of(request)


Service = Annotated[State, Depends(_of_request)]
