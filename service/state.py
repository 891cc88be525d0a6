"""What the handlers of one worker share."""

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from service.admission import Line
from service.board import Board
from service.limits import Buffer
from service.metrics import Metrics
from service.problems import NOT_READY, UNAUTHORIZED, Problem
from service.settings import Settings

if TYPE_CHECKING:
    from service.served import Served
    from service.stream import Stream

KEY_PREFIX: Final = (
    "key."  # of the WebSocket subprotocol that carries the API key: a page can set no header there
)


@dataclass
class State:
    """Of one worker; only its event loop touches it."""

    settings: Settings
    metrics: Metrics
    line: Line
    buffer: Buffer
    board: Board
    place: int
    draining: bool = False  # the service stops: not ready any more, but all is still answered
    trouble: str = ""  # why there is no (newer) model
    streams: "set[Stream]" = field(default_factory=set)

    @property
    def served(self) -> "Served":
        """The model.

        Raises:
            Problem: there is none yet.
        """
        if self.line.served is None:
            raise Problem(NOT_READY, self.trouble or "no model is loaded yet; try again in a second")
        return self.line.served

    @property
    def version(self) -> str | None:
        """Of the model; None where there is none yet."""
        return self.line.served.version if self.line.served else None

    def enter(self, stream: "Stream") -> None:
        """Count a stream as open."""
        self.streams.add(stream)
        self._count_streams()

    def leave(self, stream: "Stream") -> None:
        """Count it no more."""
        self.streams.discard(stream)
        self._count_streams()

    def _count_streams(self) -> None:
        self.board.place(self.place).streams = len(self.streams)
        self.metrics.streams.set(len(self.streams))

    def check_key(self, connection: HTTPConnection) -> None:
        """Let pass who has the API key, where one is set.

        Raises:
            Problem: it is missing or wrong.
        """
        if self.settings.api_key is None:
            return
        expected = self.settings.api_key.get_secret_value().encode()
        scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
        offered = [connection.headers.get("x-api-key", ""), bearer if scheme.lower() == "bearer" else ""]
        if connection.scope["type"] == "websocket":
            offered += [p.removeprefix(KEY_PREFIX) for p in connection.scope.get("subprotocols", ())]
        if not any(hmac.compare_digest(one.encode(), expected) for one in offered):
            raise Problem(
                UNAUTHORIZED,
                "send the key of this service as `Authorization: Bearer KEY` or `X-API-Key: KEY`",
            )

    def is_welcome(self, connection: HTTPConnection) -> bool:
        """Whether a WebSocket comes from our own page, a configured origin, or no page at all.

        Browsers let any page open a WebSocket to any host, and apply no CORS to it: the server has to look.
        """
        origin = connection.headers.get("origin")
        if origin is None or origin in self.settings.cors_origins:
            return True
        return urlsplit(origin).netloc == connection.headers.get("host")
