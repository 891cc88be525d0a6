"""Connections that nobody can hold open for nothing: uvicorn's protocols, with limits that they lack.

Of uvicorn 0.54: the head of a request may take for ever and be of any size; so may a body that nobody reads;
a client that takes no answer is waited for; a WebSocket peer may send pings without reading the pongs, and
fragments of no bytes without end.
"""

import asyncio
import json
import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame

from service.problems import BAD_REQUEST, HEADERS, LINGER_S, MEDIA_TYPE, TIMEOUT, Problem
from service.settings import Settings

MAX_HEAD: Final = 32_768  # bytes of request line and headers; browsers send about 1,000
MAX_FRAGMENTS: Final = 256  # of one WebSocket message; browsers send one
BACKSTOP_S: Final = 2.0  # the application times a body out first, with a better answer


Lost = Callable[[], None]  # called for each connection that ends


class Protocol(HttpToolsProtocol):
    """HTTP with limits on time and size of the head, time of the body, and time of the answer's way out."""

    settings: Settings  # these two are set by `limited`
    lost: Lost

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._read_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._in_head = True
        self._in_body = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Expect a head."""
        super().connection_made(transport)
        self._expect(self.settings.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._cancel()
        super().connection_lost(exc)
        type(self).lost()

    def data_received(self, data: bytes) -> None:
        """Take data of a request, and make sure that a timer runs where more must come."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self._in_head and self._head_bytes > MAX_HEAD:
            self._refuse(
                Problem(HEADERS, f"the head of the request is larger than {MAX_HEAD} bytes; send less")
            )
        elif self._read_timer is None and self.timeout_keep_alive_task is None and not self._busy:
            self._expect(self.settings.header_timeout_s)  # line ends before a request begin none

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self._expect(self.settings.header_timeout_s)

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._in_head = False
        self._in_body = True
        self._head_bytes = 0
        self._expect(self.settings.body_timeout_s + BACKSTOP_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Its body is there."""
        self._in_body = False
        self._head_bytes = 0
        self._stop_reading_timer()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection on."""
        self._cancel()
        super().handle_websocket_upgrade()

    def pause_writing(self) -> None:
        """The client takes nothing at the moment."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.settings.send_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        """Answer what is no HTTP in the shape of all problems."""
        self._refuse(Problem(BAD_REQUEST, "this is no valid HTTP request; send one"))

    @property
    def _busy(self) -> bool:
        return self._in_body or not (self.cycle is None or self.cycle.response_complete)

    def _expect(self, seconds: float) -> None:
        self._stop_reading_timer()
        self._read_timer = self.loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._read_timer = None
        if self.cycle is not None and self._in_body:  # an answer may be on its way already
            self.transport.abort()
        elif self._head_bytes:
            self._refuse(Problem(TIMEOUT, "the head of the request did not arrive in time; send it faster"))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer without the application, and close."""
        if self.cycle is not None and not self.cycle.response_complete:  # would end up inside another answer
            self.transport.abort()
            return
        body = json.dumps(problem.to_json(secrets.token_hex(8))).encode()
        status = HTTPStatus(problem.kind.status)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {MEDIA_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _stop_reading_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _cancel(self) -> None:
        self._stop_reading_timer()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


class StreamProtocol(WebSocketsSansIOProtocol):
    """WebSocket with limits on what a peer may leave unread, and on fragments."""

    settings: Settings
    lost: Lost
    _write_timer: asyncio.TimerHandle | None = None
    _lingers = False

    def data_received(self, data: bytes) -> None:
        """Take data, unless the connection failed and only waits for the peer to notice."""
        if not self._lingers:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """Say why the connection fails, and close a moment later: a reset in between could eat the reason."""
        assert self.conn.close_sent is not None
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = self._lingers = True
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.close)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        """The peer takes nothing: take nothing from it either (pongs would pile up), and not for long."""
        super().pause_writing()
        if not self.transport.is_closing():
            self.transport.pause_reading()
        self._write_timer = self.loop.call_later(self.settings.send_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        self._stop_timer()
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_timer()
        super().connection_lost(exc)
        type(self).lost()

    def handle_cont(self, event: Frame) -> None:
        """Take one more fragment of a message."""
        if len(self.frames) >= MAX_FRAGMENTS:
            self.conn.fail(1009, f"more than {MAX_FRAGMENTS} fragments in one message")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def _stop_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def limited(settings: Settings, lost: Lost) -> tuple[type[Protocol], type[StreamProtocol]]:
    """The two protocols with these settings; ``lost()`` is called for each connection that ends."""
    members = {"settings": settings, "lost": staticmethod(lost)}
    http = type("Protocol", (Protocol,), members)
    websocket = type("StreamProtocol", (StreamProtocol,), members)
    return http, websocket
