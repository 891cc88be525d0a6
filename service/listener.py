"""The socket that the service listens on, and the short answer to connections beyond the limit."""

import json
import os
import secrets
import socket
import time
from collections import deque
from typing import Final, Self

from bundle.errors import UserError
from service.problems import MEDIA_TYPE, OVERLOADED, RETRY_AFTER_S, Problem

BACKLOG: Final = 1_024
AT_ONCE: Final = 64  # connections accepted before other things get their turn
LINGER_S: Final = (
    1.0  # a connection that is turned away stays open so long: an early reset could eat the answer
)
MOST_LINGERING: Final = 128


class Listener:
    """A listening TCP socket. Never blocks."""

    def __init__(self, address: str, port: int) -> None:
        """Listen.

        Raises:
            UserError: the address or port can't be had.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            self._socket = socket.create_server(
                (address, port), family=family, backlog=BACKLOG, dualstack_ipv6=address == "::"
            )
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise UserError(
                f"{address} port {port} can't be listened on ({why}); stop who does, or set PORT or BIND"
            ) from error
        self._socket.setblocking(False)
        self._lingering: deque[tuple[float, socket.socket]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """What a browser on this machine opens."""
        address, port, *_ = self._socket.getsockname()
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(
            address, f"[{address}]" if ":" in address else address
        )
        return f"http://{host}:{port}"

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def accept(self) -> list[socket.socket]:
        """The connections that are waiting, some of them at least."""
        accepted = []
        for _ in range(AT_ONCE):
            try:
                accepted.append(self._socket.accept()[0])
            except OSError:  # none left; or a client that went away; or too many open files, for the moment
                break
        return accepted

    def turn_away(self, accepted: socket.socket) -> None:
        """Answer 503, whatever is asked, and close a second later."""
        problem = Problem(OVERLOADED, "too many connections are open; try again in a second")
        body = json.dumps(problem.to_json(secrets.token_hex(8))).encode()
        head = (
            f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: {MEDIA_TYPE}\r\nContent-Length: {len(body)}\r\n"
            f"Retry-After: {RETRY_AFTER_S}\r\nConnection: close\r\n\r\n"
        )
        kept = accepted.dup()
        try:
            kept.setblocking(False)
            kept.send(head.encode() + body)
            kept.shutdown(socket.SHUT_WR)
        except OSError:
            kept.close()
            return
        self._lingering.append((time.monotonic() + LINGER_S, kept))
        if len(self._lingering) > MOST_LINGERING:
            self._lingering.popleft()[1].close()

    def tidy(self, now: float) -> None:
        """Close what has lingered long enough."""
        while self._lingering and self._lingering[0][0] <= now:
            self._lingering.popleft()[1].close()

    def close(self) -> None:
        """Listen no more."""
        for _, kept in self._lingering:
            kept.close()
        self._lingering.clear()
        self._socket.close()
