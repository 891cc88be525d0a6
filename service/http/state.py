"""What the handlers share."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from starlette.requests import HTTPConnection

from bundle.answer import Answer
from bundle.errors import PictureError
from service.http.body import Buffer
from service.http.problems import NOT_READY, Problem, of_not_inferred, of_picture
from service.inference import identify
from service.inference.errors import NotInferred
from service.inference.model import LoadedModel
from service.inference.queue import InferenceQueue, Job
from service.metrics import Metrics
from service.models.watcher import Watcher
from service.settings import Settings

UNKNOWN: Final = "unknown"  # address of a client that has none


class Stoppable(Protocol):
    """A stream, as far as it is known here."""

    def stop(self) -> None:
        """End after the frame in work."""


@dataclass
class State:
    """Of one service; only its event loop touches it."""

    settings: Settings
    metrics: Metrics
    queue: InferenceQueue
    watcher: Watcher
    buffer: Buffer
    draining: bool = False  # the service stops: not ready any more, but all is still answered
    streams: dict[Stoppable, str] = field(default_factory=dict)  # with the addresses of their clients

    @property
    def model(self) -> LoadedModel:
        """The model.

        Raises:
            Problem: there is none yet.
        """
        if self.queue.model is None:
            raise Problem(NOT_READY, "no model is loaded yet; try again in a second")
        return self.queue.model

    def readiness(self) -> dict[str, Any]:
        """What /readyz answers.

        Raises:
            Problem: not ready.
        """
        if self.draining:
            raise Problem(NOT_READY, "the service stops; ask another one")
        return {"ready": True, "model": self.model.version, "trouble": self.watcher.trouble or None}

    async def run(self, job: Job, client: str) -> Any:
        """Run a job in the queue.

        Raises:
            Problem: it was not run, or a picture in it can't be used.
        """
        try:
            return await self.queue.run(job, client)
        except NotInferred as error:
            raise of_not_inferred(error) from error
        except PictureError as error:
            raise of_picture(error) from error

    async def identify(self, job: Job, client: str) -> Answer:
        """The same for a job that gives an answer, which is counted."""
        arrived = time.perf_counter()
        answer: Answer = await self.run(job, client)
        identify.count(answer, time.perf_counter() - arrived, self.metrics)
        return answer

    def refusal(self, client: str) -> str | None:
        """The limit that one more stream of ``client`` would exceed."""
        if len(self.streams) >= self.settings.streams:
            return "streams"
        most = max(1, int(self.settings.streams * self.settings.address_share))
        return "streams-address" if Counter(self.streams.values())[client] >= most else None

    @contextmanager
    def entered(self, stream: Stoppable, client: str) -> Iterator[None]:
        """Count a stream as open for a block."""
        self.streams[stream] = client
        self.metrics.streams.set(len(self.streams))
        try:
            yield
        finally:
            del self.streams[stream]
            self.metrics.streams.set(len(self.streams))

    def drain(self) -> None:
        """The service stops soon."""
        self.draining = True
        for stream in tuple(self.streams):
            stream.stop()


def of(connection: HTTPConnection) -> State:
    """The state of the application that a connection came to."""
    state: State = connection.app.state.service
    return state


def client_of(connection: HTTPConnection) -> str:
    """The address of the client; behind a trusted proxy, the one that the proxy names."""
    return connection.client.host if connection.client else UNKNOWN
