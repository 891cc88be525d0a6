"""Connections that nobody can hold open for nothing: uvicorn's protocols, with limits that they lack.

Of uvicorn 0.54: the head of a request may take for ever and be of any size (`h11_max_incomplete_event_size` does not
hold for a head that comes in one read), so may a body that nobody reads, and any number of requests may wait in a
pipeline; `limit_concurrency` leaves idle connections open and knows no addresses; a WebSocket peer may send pings
without reading the pongs, and fragments of no bytes without end. These classes are given to ``uvicorn.Config`` as
``http=`` and ``ws=``; they override callbacks of asyncio, httptools and uvicorn, and the tests hold all of it.
"""

import asyncio
import ipaddress
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from service.metrics import Metrics
from service.settings import Settings

MAX_HEAD: Final = 32_768  # bytes of request line and headers; browsers send about 1,000
MAX_REFUSED: Final = 150_000_000  # bytes of a body that goes on after it was refused; no setting allows as many
MAX_PIPELINED: Final = 32  # requests that wait behind one; browsers send none
MAX_FRAGMENTS: Final = 256  # of one WebSocket message; browsers send one
BACKSTOP_S: Final = 1.0  # the application times a body out first, with a better answer
CLOSE_S: Final = 1.0  # for a WebSocket peer that was told to go
_END: Final = b"Content-Length: 0\r\nConnection: close\r\n\r\n"
_FULL: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n" + _END
_TOO_LONG: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _END


class Protocol(HttpToolsProtocol):
    """HTTP with limits on connections, on the size of a head, on the time of a request, and on pipelines."""

    settings: Settings  # these two are set by `limited`
    metrics: Metrics
    _in_head = True
    _read = 0  # bytes since the last request was whole
    _timer: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Expect a request, or refuse the connection."""
        super().connection_made(transport)
        self._start_timer()
        if limit := self._exceeded():
            self.metrics.refused.labels(limit).inc()
            self._end(_FULL)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer, and all that waits in the pipeline; what is still sent goes nowhere."""
        self._stop_timer()
        self.pipeline.clear()
        if self._running is not None:
            self._running.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take data, and make sure that a timer runs until it has become a request: line ends alone never do."""
        if self.transport.is_closing():
            return
        self._start_timer()
        self._read += len(data)
        super().data_received(data)
        is_refused = self._in_head or self._is_idle  # else somebody reads it, and counts
        if is_refused and self._read > (MAX_HEAD if self._in_head else MAX_REFUSED) and not self.transport.is_closing():
            self._end(_TOO_LONG)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests in a pipeline")  # comes back as `send_400_response`
        self._in_head = True
        self._start_timer()

    def on_headers_complete(self) -> None:
        """Its head is there."""
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD:
            raise ValueError("the head is too long")
        super().on_headers_complete()
        self._in_head = False

    def on_message_complete(self) -> None:
        """Its body is there."""
        self._read = 0
        self._stop_timer()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection on, unless an answer is still on its way."""
        self._stop_timer()
        if self._is_idle:
            super().handle_websocket_upgrade()
        else:
            self._abort()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or a head that is too long, unless it would end up inside another answer."""
        if self._is_idle and not (self._in_head and self._read > MAX_HEAD):
            super().send_400_response(msg)
        else:
            self._end(_TOO_LONG)

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _exceeded(self) -> str | None:
        """The limit that this connection exceeds. A proxy's connections are its clients'."""
        most, host = self.settings.connections, self.client[0] if self.client else ""
        if len(self.connections) > most:
            return "connections"
        if host and any(ipaddress.ip_address(host) in each for each in self.settings.trusted_proxies):
            return None
        clients = [getattr(other, "client", None) for other in self.connections]
        same = sum(client is not None and client[0] == host for client in clients)
        return "connections-address" if same > max(1, int(most * self.settings.address_share)) else None

    def _end(self, answer: bytes) -> None:
        """Close, with an answer if it can't end up inside another one."""
        if self._is_idle:
            self.transport.write(answer)
            self.transport.close()
        else:
            self._abort()

    def _abort(self) -> None:
        self.transport.abort()
        if self._running is not None:
            self._running.disconnected = True  # else it writes to a transport that is closed

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle  # `cycle` is the newest in the pipeline
        super()._start_asgi_task(cycle, app)

    def _start_timer(self) -> None:
        """Head and body have TIMEOUT_S each."""
        if self._timer is None:
            self._timer = self.loop.call_later(2 * self.settings.timeout_s + BACKSTOP_S, self._abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class StreamProtocol(WebSocketsSansIOProtocol):
    """WebSocket with limits on fragments and on what a peer may leave unread."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_S

    def pause_writing(self) -> None:
        """The peer takes nothing: take nothing from it either, as pongs would pile up."""
        super().pause_writing()
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """It does again."""
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()
        super().resume_writing()

    def handle_cont(self, event: Frame) -> None:
        """Take one more fragment of a message."""
        if len(self.frames) >= MAX_FRAGMENTS:
            self.conn.fail(1009, f"more than {MAX_FRAGMENTS} fragments in one message")
            self.handle_parser_exception()
        else:
            super().handle_cont(event)


def limited(settings: Settings, metrics: Metrics) -> tuple[type[Protocol], type[StreamProtocol]]:
    """The two protocols with these settings."""
    return type("Protocol", (Protocol,), {"settings": settings, "metrics": metrics}), StreamProtocol
