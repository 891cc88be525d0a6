"""One bounded queue for all pictures, and the threads that take from it.

Decoding and inference take 2 to 10 ms of a core and release the GIL, so they run in threads beside the event loop,
one a core. All of them take from one queue: a queue for each would let pictures wait beside an idle thread. What
would wait too long is refused at once: a queue of frames is a queue of delay.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bundle.engine import Engine
from service import quota
from service.metrics import Metrics
from service.problems import NOT_READY, OVERLOADED, TOO_LATE, Problem
from service.settings import Settings

Job = Callable[[Engine, float], Any]  # with the model and the milliseconds that it waited


class InferenceQueue:
    """The pictures that wait, in the order of their arrival. All methods are of the event loop's thread."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Make an empty queue, of a thread for each core where ``settings`` say no number."""
        self.model: Engine | None = None  # replaced while pictures wait: each gets the one of its turn
        self.threads = threads = settings.threads or quota.cores()
        self.turns = asyncio.Semaphore(threads + 1)  # frames of all streams: in work, and one that follows at once
        self._limit = settings.queue
        self._share = max(1, int(settings.address_share * (settings.queue + threads)))
        self._deadline_s = settings.deadline_s
        self._refused = metrics.refused
        self._clients: Counter[str] = Counter()  # pictures that wait or are in work, by client address
        self._pool = ThreadPoolExecutor(threads, "inference")  # whose own queue has no limit: `check` is the limit
        metrics.queue.set_function(self._depth)

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
        if self._depth() >= self._limit:
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
        self._clients[client] += 1
        try:
            running = asyncio.get_running_loop().run_in_executor(self._pool, self._run, job, time.perf_counter())
            return await running
        finally:
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]

    def close(self) -> None:
        """Let the threads end after what is in work now."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _depth(self) -> int:
        return max(0, self._clients.total() - self.threads)

    def _run(self, job: Job, arrived: float) -> Any:
        waited = time.perf_counter() - arrived
        if waited > self._deadline_s:
            why = f"it waited {waited:.1f} s, the limit is {self._deadline_s:g} s; try again in a second"
            raise Problem(TOO_LATE, why)
        return job(self.served(), waited * 1e3)
