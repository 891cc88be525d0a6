"""One bounded queue for all pictures, and the threads that take from it.

Decoding and inference take 2 to 10 ms of a core and release the GIL, so they run in threads beside the event loop,
one a core. All of them take from one queue: a queue for each would let pictures wait beside an idle thread. What
would wait too long is refused at once: a queue of frames is a queue of delay.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from bundle.engine import Engine
from service.metrics import Metrics
from service.problems import NOT_READY, OVERLOADED, TOO_LATE, Problem

Job = Callable[[Engine, float], Any]  # with the model and the milliseconds that it waited


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: Job
    arrived: float  # time.perf_counter()
    result: "asyncio.Future[Any]"


class InferenceQueue:
    """The pictures that wait, in the order of their arrival. All methods are of the event loop's thread."""

    def __init__(self, *, limit: int, threads: int, deadline_s: float, address_share: float, metrics: Metrics) -> None:
        """Make an empty queue and start its threads.

        Args:
            limit: pictures that may wait.
            threads: that infer at one time.
            deadline_s: a picture that waited longer is not inferred.
            address_share: part of the queue that one client address may have.
            metrics: where depth and refusals are counted.
        """
        self.model: Engine | None = None  # replaced while pictures wait: each gets the one of its turn
        self.threads = threads
        self.turns = asyncio.Semaphore(threads + 1)  # frames of all streams: in work, and one that follows at once
        self._limit = limit
        self._share = max(1, int(address_share * (limit + threads)))
        self._deadline_s = deadline_s
        self._refused = metrics.refused
        self._clients: Counter[str] = Counter()  # pictures that wait or are in work, by client address
        self._waiting: SimpleQueue[_Waiting | None] = SimpleQueue()
        metrics.queue.set_function(self._waiting.qsize)
        self._loop = asyncio.get_running_loop()
        for place in range(threads):
            threading.Thread(target=self._work, name=f"inference-{place}", daemon=True).start()

    def served(self) -> Engine:
        """The model.

        Raises:
            Problem: there is none yet.
        """
        if (model := self.model) is None:
            raise Problem(NOT_READY, "no model is loaded yet; try again in a second")
        return model

    def check(self, client: str) -> None:
        """Say at once, before a body is read, that a picture of ``client`` would be refused.

        Raises:
            Problem: it would.
        """
        self.served()
        if self._waiting.qsize() >= self._limit:
            self._refused.labels("queue").inc()
            raise Problem(OVERLOADED, "too many pictures are waiting; try again in a second, or send fewer")
        if self._clients[client] >= self._share:
            self._refused.labels("queue-address").inc()
            raise Problem(OVERLOADED, "too many of your pictures are waiting; send fewer at one time")

    async def run(self, job: Job, client: str) -> Any:
        """Run a job in turn, in one of the threads; what it returns.

        Raises:
            Problem: it was not run.
            Exception: what the job raises.
        """
        self.check(client)
        waiting = _Waiting(job, time.perf_counter(), self._loop.create_future())
        self._clients[client] += 1
        self._waiting.put(waiting)
        try:
            return await waiting.result
        finally:
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]

    def close(self) -> None:
        """Let the threads end after what waits now."""
        for _ in range(self.threads):
            self._waiting.put(None)

    def _work(self) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            while self._next():
                pass

    def _next(self) -> bool:
        """Run the next job; a frame of its own, so that nothing of it (nor its model) outlives it in here."""
        if (waiting := self._waiting.get()) is None:
            return False
        if waiting.result.cancelled():  # its client went away
            return True
        result: Any = None
        failed: Exception | None = None
        try:
            result = self._run(waiting)
        except Exception as error:  # noqa: BLE001  # whatever it is, its sender gets it and the thread lives on
            failed = error
        self._loop.call_soon_threadsafe(_settle, waiting.result, result, failed)
        return True

    def _run(self, waiting: _Waiting) -> Any:
        waited = time.perf_counter() - waiting.arrived
        if waited > self._deadline_s:
            why = f"it waited {waited:.1f} s, the limit is {self._deadline_s:g} s; try again in a second"
            raise Problem(TOO_LATE, why)
        return waiting.job(self.served(), waited * 1e3)


def _settle(result: "asyncio.Future[Any]", value: Any, failed: Exception | None) -> None:
    with suppress(asyncio.InvalidStateError):  # its client went away meanwhile
        if failed is None:
            result.set_result(value)
        else:
            result.set_exception(failed)
