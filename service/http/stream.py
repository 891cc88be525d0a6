"""`WS /stream`: frames in, one answer each; the newest frame wins.

One frame of a connection is in work. Of those that arrive meanwhile only the newest is kept, so a client that
sends faster than it is answered sees old frames dropped, never a growing delay. Streams take turns, and a frame is
chosen when the turn has come: with many streams each is answered less often, and still for what it sent last. An
answer says which frame it is for (``frame``, counted from 0) and how many were dropped since the last one
(``dropped``). With ``/stream?explain=1``, or after the text message ``{"explain": true}``, answers also say where in
the frame the label shows (``evidence``).

Close codes (the registry is IANA's): 1003 a message that is none, 1008 a flood or a foreign origin, 1009 a frame
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
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from service import log
from service.http import state
from service.http.auth import check_key, is_welcome
from service.http.problems import INTERNAL, OVERLOADED, RETRY_AFTER_S, Problem
from service.http.state import State
from service.inference.identify import identify
from service.inference.model import LoadedModel

SUBPROTOCOL: Final = "identify.v1"  # accepted where a client offers it; needed beside the one with the key
FLOOD: Final = 8  # times the answered rate; a client that sends faster is broken or hostile
FLOOD_OVER_S: Final = 2.0
MAX_OPTIONS: Final = 1_000  # characters


router = APIRouter()


class Options(BaseModel):
    """What a client may change about its stream, as a text message."""

    model_config = ConfigDict(extra="forbid")

    explain: bool


@router.websocket("/stream")
async def frames(websocket: WebSocket, explain: bool = False) -> None:
    """Accept, or close with the reason, which a page can't read from an HTTP status."""
    own, client = state.of(websocket), state.client_of(websocket)
    offered = websocket.scope.get("subprotocols", ())
    await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
    if refusal := _refusal(websocket, own, client):
        return await close(websocket, *refusal)
    stream = Stream(websocket, own, client, explain)
    with own.entered(stream, client):
        try:
            await stream.run()
        finally:
            request_id = websocket.scope["state"].get("request_id")
            model = own.queue.model
            log.event(
                logging.INFO,
                "stream",
                request_id=request_id,
                model=model.version if model else None,
                **stream.summary,
            )


def _refusal(websocket: WebSocket, own: State, client: str) -> tuple[int, str] | None:
    if not is_welcome(websocket, own.settings):
        return 1008, "this page may not use the service; its origin must be in CORS_ORIGINS"
    try:
        check_key(websocket, own.settings)
    except Problem:
        return 3000, "an API key is needed, as subprotocol key.KEY beside identify.v1"
    if own.draining:
        return 1012, "the service restarts; connect again in a second"
    if limit := own.refusal(client):
        own.metrics.refused.labels(limit).inc()
        of_whom = "your address" if limit == "streams-address" else "all clients"
        return 1013, f"too many streams of {of_whom} are open; try again later"
    return None


class Stream:
    """One connection."""

    def __init__(self, websocket: WebSocket, state: State, client: str, explain: bool) -> None:
        self._websocket = websocket
        self._state = state
        self._client = client
        self._explain = explain
        self._waiting: tuple[int, bytes] | None = None  # number and bytes of the newest frame
        self._arrived = asyncio.Event()  # of a frame, or of the end
        self._end: tuple[int, str] | None = None  # close code and reason; code 0: the peer is gone
        self._messages = self._received = self._answered = self._dropped = 0
        self._unsaid = 0  # dropped since the last message
        self._window = (time.monotonic(), 0)  # for floods: since when, at which number of messages

    @property
    def summary(self) -> dict[str, int]:
        """For the log."""
        return {
            "frames": self._received,
            "answered": self._answered,
            "dropped": self._dropped,
            "code": self._end[0] if self._end else 0,
        }

    def stop(self) -> None:
        """End after the frame in work: the service stops."""
        self._finish(1012, "the service restarts; connect again in a second")

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
        if self._end is not None and self._end[0]:
            await close(self._websocket, *self._end)

    async def _read(self) -> None:
        while self._end is None:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return self._finish(0, "")
            frame: bytes | None = message.get("bytes")
            if self._floods():
                return self._finish(1008, f"a flood; at most {self._state.settings.stream_fps:g} frames/s are answered")
            if frame is None:
                if not self._takes(message["text"]):
                    return self._finish(1003, "send each picture as a binary message (JPEG, PNG or WebP)")
                continue
            self._drop_waiting()
            if self._state.buffer.take(len(frame)):
                self._waiting = (self._received, frame)
            else:
                self._count_drop()
            self._received += 1
            self._arrived.set()
        return None

    def _takes(self, text: str) -> bool:
        """Whether a text message sets an option."""
        try:
            self._explain = Options.model_validate_json(text[:MAX_OPTIONS]).explain
        except ValidationError:
            return False
        return True

    def _floods(self) -> bool:
        """Whether the message that has just come is one too many."""
        self._messages += 1
        since, number = self._window
        now = time.monotonic()
        if now - since > FLOOD_OVER_S:
            self._window = (now, self._messages)
            return False
        return self._messages - number > FLOOD * FLOOD_OVER_S * self._state.settings.stream_fps

    async def _answer_all(self) -> None:
        settings = self._state.settings
        next_turn = 0.0
        while self._end is None:
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
                if self._waiting is None or self._end is not None:
                    continue
                next_turn = time.monotonic() + 1 / settings.stream_fps
                message = await self._answer_newest(*self._waiting)
            await self._websocket.send_text(json.dumps(message, ensure_ascii=False))

    async def _answer_newest(self, number: int, frame: bytes) -> dict[str, Any]:
        self._waiting = None  # its bytes still count until it is answered
        try:
            message = await self._answer(frame)
        finally:
            self._state.buffer.give(len(frame))
        message |= {"frame": number, "dropped": self._unsaid}
        self._unsaid = 0
        return message

    async def _answer(self, frame: bytes) -> dict[str, Any]:
        job = partial(_identify, frame, self._state, self._explain)
        try:
            answer = await self._state.identify(job, self._client)
        except Problem as problem:
            self._state.metrics.frames.labels(problem.kind.name).inc()
            request_id = self._websocket.scope["state"].get("request_id", "")
            message = problem.details(request_id).model_dump()
            if problem.kind.status == OVERLOADED.status:
                message["retry_after_s"] = RETRY_AFTER_S
            return message
        except Exception:
            self._state.metrics.frames.labels(INTERNAL.name).inc()
            self._finish(1011, "something is wrong in the service; connect again")
            raise
        self._answered += 1
        self._state.metrics.frames.labels("answered").inc()
        return answer.to_json()

    def _finish(self, code: int, reason: str) -> None:
        if self._end is None:
            self._end = (code, reason)
        self._arrived.set()

    def _drop_waiting(self) -> None:
        if self._waiting is not None:
            self._state.buffer.give(len(self._waiting[1]))
            self._waiting = None
            self._count_drop()

    def _count_drop(self) -> None:
        self._dropped += 1
        self._unsaid += 1
        self._state.metrics.frames.labels("dropped").inc()


def _identify(frame: bytes, state: State, explain: bool, model: LoadedModel, waited: float) -> Any:
    return identify(frame, model, waited, settings=state.settings, explain=explain)


async def close(websocket: WebSocket, code: int, reason: str) -> None:
    """Close with a reason that a page can show; no error where the peer is gone already."""
    with suppress(RuntimeError, WebSocketDisconnect):
        await websocket.close(code, reason.encode()[:123].decode("utf-8", "ignore"))
