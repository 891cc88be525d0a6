"""Connections that nobody can hold open for nothing: uvicorn's protocols, with limits that they lack.

Of uvicorn 0.54: the head of a request may take for ever and be of any size; so may a body that nobody reads; any
number of requests may wait in a pipeline; a client that takes no answer is waited for; a WebSocket peer may send
pings without reading the pongs, and fragments of no bytes without end. These classes are given to ``uvicorn.Config``
as ``http=`` and ``ws=``; they override callbacks of asyncio, httptools and uvicorn, and the tests hold all of it.
"""

import asyncio
import secrets
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame

from service.http.problems import (
    BAD_REQUEST,
    HEADERS,
    LINGER_S,
    MEDIA_TYPE,
    OVERLOADED,
    TIMEOUT,
    Problem,
)
from service.metrics import Metrics
from service.settings import Settings

MAX_HEAD: Final = 32_768  # bytes of request line and headers; browsers send about 1,000
MAX_PIPELINED: Final = 32  # requests that wait behind one; browsers send none
MAX_FRAGMENTS: Final = 256  # of one WebSocket message; browsers send one
MAX_AFTER_CLOSE: Final = 65_536  # bytes that are read from a WebSocket peer that was told to go
BACKSTOP_S: Final = 2.0  # the application times a body out first, with a better answer


@dataclass
class Connections:
    """All open connections, and how many a client address has. A proxy's connections are its clients'."""

    settings: Settings
    metrics: Metrics
    addresses: Counter[str] = field(default_factory=Counter)

    def refusal(self, address: str) -> str | None:
        """The limit that one more connection would exceed."""
        most = self.settings.connections
        if self.addresses.total() >= most:
            return "connections"
        if address in self.settings.trusted_proxies:
            return None
        share = max(1, int(most * self.settings.address_share))
        return "connections-address" if self.addresses[address] >= share else None

    def enter(self, address: str) -> None:
        """Count one."""
        self.addresses[address] += 1
        self.metrics.connections.inc()

    def leave(self, address: str) -> None:
        """Count it no more."""
        self.addresses[address] -= 1
        if not self.addresses[address]:
            del self.addresses[address]
        self.metrics.connections.dec()


class Protocol(HttpToolsProtocol):
    """HTTP with limits on time and size of the head, time of the body, and time of the answer's way out."""

    counted: Connections  # set by `limited`

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.settings = self.counted.settings
        self._address = ""  # that is counted; none for a connection that was refused
        self._read_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._in_head = True
        self._in_body = False
        self._unparsed = 0  # bytes of a head that is not whole yet
        self._head = 0  # bytes of the head that is being parsed
        self._refused = False
        self._running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Expect a head, or refuse the connection."""
        super().connection_made(transport)
        address = self.client[0] if self.client else "unknown"
        if limit := self.counted.refusal(address):
            self.counted.metrics.refused.labels(limit).inc()
            return self._refuse(Problem(OVERLOADED, "too many connections are open; try again in a second"))
        self._address = address
        self.counted.enter(address)
        self._expect(self.settings.header_timeout_s)
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        self._cancel()
        if self._address:
            self.counted.leave(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take data of a request, and make sure that a timer runs where more must come."""
        if self._refused:
            return
        self._unparsed += len(data)
        super().data_received(data)
        if self._refused or self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self._in_head and self._unparsed > MAX_HEAD:
            self._refuse(_TOO_LONG)
        elif self._read_timer is None and self.timeout_keep_alive_task is None and not self._busy:
            self._expect(self.settings.header_timeout_s)  # line ends before a request begin none

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests in a pipeline")  # uvicorn answers 400, or closes
        self._in_head = True
        self._head = 0
        self._expect(self.settings.header_timeout_s)

    def on_url(self, url: bytes) -> None:
        """A part of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header: those of a head that arrives in one read are counted here."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its head is there."""
        self._in_head = False
        self._in_body = True
        self._unparsed = 0
        self._expect(self.settings.body_timeout_s + BACKSTOP_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Its body is there."""
        self._in_body = False
        self._unparsed = 0
        self._stop_reading_timer()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection on, and its count with it."""
        self._cancel()
        address, self._address = self._address, ""
        super().handle_websocket_upgrade()
        protocol = self.transport.get_protocol()
        assert isinstance(protocol, StreamProtocol)
        protocol.address = address

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
        if self._in_head and self._head > MAX_HEAD:
            self._refuse(_TOO_LONG)
        else:
            self._refuse(Problem(BAD_REQUEST, "this is no valid HTTP request; send one"))

    @property
    def _busy(self) -> bool:
        return self._in_body or not (self.cycle is None or self.cycle.response_complete)

    def _count(self, count: int) -> None:
        self._head += count
        if self._head > MAX_HEAD:
            raise ValueError("the head is too large")  # comes back as `send_400_response`

    def _expect(self, seconds: float) -> None:
        self._stop_reading_timer()
        self._read_timer = self.loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._read_timer = None
        if self.cycle is not None and self._in_body:  # an answer may be on its way already
            self._abort()
        elif self._unparsed:
            self._refuse(Problem(TIMEOUT, "the head of the request did not arrive in time; send it faster"))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer without the application, and close a moment later: a reset in between could eat the answer."""
        self._refused = True
        self._stop_reading_timer()
        if self._busy:  # it would end up inside another answer
            self._abort()
            return
        body = problem.details(secrets.token_hex(8)).model_dump_json().encode()
        status = HTTPStatus(problem.kind.status)
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": len(body),
            **problem.headers,
            "Connection": "close",
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 {status.value} {status.phrase}\r\n{head}\r\n".encode() + body)
        self.transport.pause_reading()
        self._read_timer = self.loop.call_later(LINGER_S, self.transport.close)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _abort(self) -> None:
        """End the connection; what the application still sends goes nowhere, rather than to a closed transport."""
        if self._running is not None:
            self._running.disconnected = True
        self.transport.abort()

    def _stop_reading_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _cancel(self) -> None:
        self._stop_reading_timer()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


_TOO_LONG: Final = Problem(HEADERS, f"the head of the request is larger than {MAX_HEAD} bytes; send less")


class StreamProtocol(WebSocketsSansIOProtocol):
    """WebSocket with limits on what a peer may leave unread, and on fragments."""

    counted: Connections
    address = ""
    _write_timer: asyncio.TimerHandle | None = None
    _after_close = 0  # bytes
    _failed = False

    def data_received(self, data: bytes) -> None:
        """Take data, unless the connection failed or the peer was told to go and goes on sending."""
        if self.close_sent:
            self._after_close += len(data)
            if self._after_close > MAX_AFTER_CLOSE:
                self.transport.abort()
                return
        if not self._failed:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """Say why the connection fails, and close a moment later: a reset in between could eat the reason."""
        assert self.conn.close_sent is not None
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = self._failed = True
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.close)
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        """The peer takes nothing: take nothing from it either (pongs would pile up), and not for long."""
        super().pause_writing()
        if not self.transport.is_closing():
            self.transport.pause_reading()
        seconds = self.counted.settings.send_timeout_s
        self._write_timer = self.loop.call_later(seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        self._stop_timer()
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_timer()
        if self.address:
            self.counted.leave(self.address)
        super().connection_lost(exc)

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


def limited(settings: Settings, metrics: Metrics) -> tuple[type[Protocol], type[StreamProtocol]]:
    """The two protocols with these settings."""
    members = {"counted": Connections(settings, metrics)}
    return type("Protocol", (Protocol,), members), type("StreamProtocol", (StreamProtocol,), members)
