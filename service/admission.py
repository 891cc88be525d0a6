"""Pictures wait here for the one thread that decodes and infers, few of them and not for long.

Decoding and inference take 3 to 10 ms of a core and release the GIL, so they run in a thread beside the event
loop, one after the other: a worker has one core, and two pictures at once would only make both slow. What
would wait too long is turned away at once: a queue of frames is a queue of delay.
"""

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from bundle import decode
from service import screening
from service.metrics import Metrics
from service.problems import NOT_READY, OVERLOADED, TOO_LATE, Problem
from service.settings import Settings

if TYPE_CHECKING:  # the supervisor imports this module, but must not load ONNX Runtime (see supervisor.py)
    from bundle.engine import Answer, Engine
    from service.served import Served

STUCK_AFTER_S: Final = 30.0  # far longer than any picture within the limits takes
STREAMED: Final = 2  # frames of all streams that are in the line: one in work, one that follows without a gap


@dataclass(frozen=True, slots=True)
class _Picture:
    data: bytes
    arrived: float  # time.perf_counter()
    answer: "asyncio.Future[Answer]"


class Line:
    """The pictures of one worker, in the order of their arrival, and the thread that answers them.

    All methods but `_work` are of the event loop's thread.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        """Make an empty line; answers are counted in ``metrics``."""
        self.served: Served | None = (
            None  # replaced while pictures wait: each is answered by the one of its turn
        )
        self.turns = asyncio.Semaphore(STREAMED)  # first come, first served
        self._limit = settings.queue
        self._deadline_s = settings.deadline_s
        self._pixels = settings.pixels
        self._memory = settings.decode_bytes
        self._metrics = metrics
        self._waiting: SimpleQueue[_Picture | None] = SimpleQueue()
        self._busy_since: float | None = None
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether the next picture would be turned away."""
        return self._waiting.qsize() >= self._limit

    @property
    def stuck(self) -> bool:
        """Whether one picture has taken longer than any should."""
        since = self._busy_since
        return since is not None and time.perf_counter() - since > STUCK_AFTER_S

    def check(self) -> None:
        """Say at once, before a body is read, that it would be turned away.

        Raises:
            Problem: no model is ready, or the line is full.
        """
        if self.served is None:
            raise Problem(NOT_READY, "no model is loaded yet; try again in a second, /readyz says why")
        if self.full:
            raise Problem(OVERLOADED, "too many pictures are waiting; try again in a second, or send fewer")

    async def answer(self, data: bytes) -> "Answer":
        """Say what is in a picture.

        Raises:
            Problem: no model is ready, the line is full, or the picture waited longer than the deadline.
            PictureError: it can't be decoded.
        """
        self.check()
        picture = _Picture(data, time.perf_counter(), self._loop.create_future())
        self._waiting.put(picture)
        self._metrics.queue.set(self._waiting.qsize())
        try:
            answer = await picture.answer
        finally:
            self._metrics.queue.set(self._waiting.qsize())
        timing = answer.timing
        label = max(answer.probabilities, key=answer.probabilities.__getitem__)
        self._metrics.observe(
            {
                "decode": timing.decode / 1e3,
                "queue": timing.queue / 1e3,
                "inference": timing.inference / 1e3,
                "total": time.perf_counter() - picture.arrived,
            },
            label,
            answer.probabilities[label],
            answer.label is not None,
        )
        return answer

    def close(self) -> None:
        """Let the thread end after what waits now."""
        self._waiting.put(None)

    def _work(self) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            while self._next():
                pass

    def _next(self) -> bool:
        """Answer the next picture; a frame of its own, so that nothing of it (nor its model) outlives it in here."""
        if (picture := self._waiting.get()) is None:
            return False
        if picture.answer.cancelled():  # its client went away
            return True
        self._busy_since = begun = time.perf_counter()
        answer: Answer | None = None
        failed: Exception | None = None
        try:
            answer = self._infer(picture, begun)
        except Exception as error:  # noqa: BLE001  # whatever it is, its sender gets it and the thread lives on
            failed = error
        self._busy_since = None
        self._loop.call_soon_threadsafe(_settle, picture.answer, answer, failed)
        return True

    def _infer(self, picture: _Picture, begun: float) -> "Answer":
        from bundle.engine import Timing

        engine = self._engine(begun - picture.arrived)
        limit = screening.pixel_limit(picture.data, pixels=self._pixels, memory=self._memory)
        frame = decode.decode(picture.data, engine.size, max_pixels=limit)
        decoded = time.perf_counter()
        output = engine.run(frame[None])
        inferred = time.perf_counter()
        spent = Timing(
            decode=(decoded - begun) * 1e3,
            queue=(begun - picture.arrived) * 1e3,
            inference=(inferred - decoded) * 1e3,
        )
        return engine.answer(output, spent)

    def _engine(self, waited: float) -> "Engine":
        if waited > self._deadline_s:
            raise Problem(
                TOO_LATE,
                f"it waited {waited:.1f} s, the limit is {self._deadline_s:g} s; try again in a second",
            )
        if self.served is None:
            raise Problem(NOT_READY, "no model is loaded; try again in a second")
        return self.served.engine


def _settle(future: "asyncio.Future[Answer]", answer: "Answer | None", failed: Exception | None) -> None:
    if future.done():  # its client went away meanwhile
        return
    if answer is not None:
        future.set_result(answer)
    elif failed is not None:
        future.set_exception(failed)
