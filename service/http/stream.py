"""`WS /stream`: frames in, one answer each; the newest frame wins.

One frame of a connection is in work. Of those that arrive meanwhile only the newest is kept, so a client that
sends faster than it is answered sees old frames dropped, never a growing delay. Streams take turns, and a frame is
chosen when the turn has come: with many streams each is answered less often, and still for what it sent last. An
answer says which frame it is for (``frame``, counted from 0) and how many were dropped since the last one
(``dropped``). With ``/stream?explain=1`` answers also say where in the frame the label shows (``evidence``).

Close codes (the registry is IANA's): 1003 a text message, 1008 a foreign origin, 1009 a frame
too large, 1012 the service restarts, 1013 too many streams, 3000 no API key, 3008 no frame for long.
"""

import asyncio
import json
import logging
import time
from contextlib import suppress
from functools import partial
from typing import Any, Final

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from bundle.errors import UserError
from service import log, problems
from service.http import state
from service.http.auth import has_key, is_welcome
from service.http.state import State
from service.inference.identify import identify
from service.problems import INTERNAL, OVERLOADED, RETRY_AFTER_S

SUBPROTOCOL: Final = "identify.v1"  # accepted where a client offers it; needed beside the one with the key
RESTARTS: Final = "the service restarts; connect again in a second"

router = APIRouter()


@router.websocket("/stream")
async def frames(websocket: WebSocket, explain: bool = False) -> None:
    """Accept, or close with the reason, which a page can't read from an HTTP status."""
    own, client = state.of(websocket), state.client_of(websocket.scope)
    offered = websocket.scope.get("subprotocols", ())
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    if refusal := _refusal(websocket, own, client):
        await _close(websocket, *refusal)
        return
    stream = Stream(websocket, own, client, explain)
    own.streams[stream.stop] = client
    try:
        await stream.run()
    finally:
        del own.streams[stream.stop]
        log.event(
            logging.INFO,
            "stream",
            request_id=websocket.scope["state"]["request_id"],
            model=own.queue.model.version if own.queue.model else None,
            frames=stream.received,
            answered=stream.answered,
            dropped=stream.dropped,
            code=stream.end[0] if stream.end else 0,
        )


def _refusal(websocket: WebSocket, own: State, client: str) -> tuple[int, str] | None:
    if not is_welcome(websocket, own.settings):
        return 1008, "this page may not use the service; its origin must be in CORS_ORIGINS"
    if not has_key(websocket, own.settings):
        return 3000, "send the key as the subprotocol key.KEY, beside identify.v1"
    if own.draining:
        return 1012, RESTARTS
    if (limit := own.refusal(client)) is None:
        return None
    own.metrics.refused.labels(limit).inc()
    whose = "your address" if limit == "streams-address" else "all clients"
    return 1013, f"too many streams of {whose} are open; try again later"


class Stream:
    """One connection."""

    def __init__(self, websocket: WebSocket, own: State, client: str, explain: bool) -> None:
        self.received = self.answered = self.dropped = 0  # frames
        self.end: tuple[int, str] | None = None  # close code and reason; code 0: the peer is gone
        self._websocket = websocket
        self._state = own
        self._client = client
        self._explain = explain
        self._waiting: tuple[int, bytes] | None = None  # number and bytes of the newest frame
        self._arrived = asyncio.Event()  # of a frame, or of the end

    def stop(self) -> None:
        """End after the frame in work: the service stops."""
        self._finish(1012, RESTARTS)

    async def run(self) -> None:
        """Answer frames until either side ends."""
        reader = asyncio.create_task(self._read())
        try:
            await self._answer_all()
        except WebSocketDisconnect:  # in the middle of an answer
            self._finish(0, "")
        finally:
            reader.cancel()
            self._drop_waiting()
        if self.end is not None and self.end[0]:
            await _close(self._websocket, *self.end)

    async def _read(self) -> None:
        while self.end is None:
            message = await self._websocket.receive()
            frame: bytes | None = message.get("bytes")
            if message["type"] == "websocket.disconnect":
                self._finish(0, "")
            elif frame is None:
                self._finish(1003, "send each picture as a binary message (JPEG, PNG or WebP)")
            else:
                self._drop_waiting()
                if self._state.buffer.take(len(frame)):
                    self._waiting = (self.received, frame)
                else:
                    self._count("dropped")
                self.received += 1
                self._arrived.set()

    async def _answer_all(self) -> None:
        settings = self._state.settings
        next_turn, said = 0.0, 0
        while self.end is None:
            try:
                async with asyncio.timeout(settings.stream_idle_s):
                    await self._arrived.wait()
            except TimeoutError:
                self._finish(3008, f"no frame for {settings.stream_idle_s:g} s; connect again when there is one")
                return
            if (early := next_turn - time.monotonic()) > 0:
                await asyncio.sleep(early)  # a newer frame may take the place of the waiting one
            async with self._state.queue.turns:
                self._arrived.clear()
                if self._waiting is None or self.end is not None:
                    continue
                next_turn = time.monotonic() + 1 / settings.stream_fps
                number, frame = self._waiting
                self._waiting = None  # its bytes still count until it is answered
                try:
                    message = await self._answer(frame)
                finally:
                    self._state.buffer.give(len(frame))
            message |= {"frame": number, "dropped": self.dropped - said}
            said = self.dropped
            await self._websocket.send_text(json.dumps(message, ensure_ascii=False))

    async def _answer(self, frame: bytes) -> dict[str, Any]:
        own = self._state
        job = partial(identify, frame, memory=own.settings.decode_bytes, metrics=own.metrics, explain=self._explain)
        try:
            message: dict[str, Any] = (await own.queue.run(job, self._client)).to_json()
            self._count("answered")
        except UserError as error:
            problem = problems.of(error)
            self._count(problem.kind.name)
            message = problem.details(self._websocket.scope["state"]["request_id"]).model_dump()
            if problem.kind.status == OVERLOADED.status:
                message["retry_after_s"] = RETRY_AFTER_S
        except Exception:
            self._count(INTERNAL.name)
            self._finish(1011, "something is wrong in the service; connect again")
            raise
        return message

    def _finish(self, code: int, reason: str) -> None:
        if self.end is None:
            self.end = (code, reason)
        self._arrived.set()

    def _drop_waiting(self) -> None:
        if self._waiting is not None:
            self._state.buffer.give(len(self._waiting[1]))
            self._waiting = None
            self._count("dropped")

    def _count(self, outcome: str) -> None:
        self.dropped += outcome == "dropped"
        self.answered += outcome == "answered"
        self._state.metrics.frames.labels(outcome).inc()


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    """Close with a reason that a page can show; no error where the peer is gone already."""
    with suppress(RuntimeError, WebSocketDisconnect):
        await websocket.close(code, reason.encode()[:123].decode("utf-8", "ignore"))
