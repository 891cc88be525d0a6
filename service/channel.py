"""What the supervisor and its children tell each other: lines of JSON over a socket pair, with open sockets beside.

A message is a few hundred bytes, so that it fits into the socket's buffer as a whole or not at all.
"""

import json
import socket
from collections import deque
from typing import Any, Final, Self

Message = dict[str, Any]

_CHUNK: Final = 65_536
_MOST_SOCKETS: Final = 16  # in one read; the kernel hands over one message's at a time


class PeerGone(Exception):
    """The other side has ended."""


class Channel:
    """One end of it. Never blocks."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._rest = b""
        self._sockets: deque[int] = deque()

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Both ends."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(one), cls(other)

    def fileno(self) -> int:
        """For selectors and event loops."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close this end, and what was handed over and not taken."""
        for number in self._sockets:
            socket.close(number)
        self._socket.close()

    def send(self, message: Message, handed: socket.socket | None = None) -> bool:
        """Send a message; False where the other side does not read.

        Raises:
            PeerGone: there is nobody.
        """
        line = json.dumps(message).encode() + b"\n"
        try:
            if handed is None:
                sent = self._socket.send(line)
            else:
                sent = socket.send_fds(self._socket, [line], [handed.fileno()])
        except BlockingIOError:
            return False
        except OSError as error:
            raise PeerGone from error
        if sent < len(line):  # does not happen to short messages; a torn one can't be mended
            raise PeerGone
        return True

    def receive(self) -> list[tuple[Message, int | None]]:
        """The messages that are there, and the file descriptor that came with each.

        Raises:
            PeerGone: and none is left.
        """
        try:
            data, sockets, _, _ = socket.recv_fds(self._socket, _CHUNK, _MOST_SOCKETS)
        except BlockingIOError:
            return []
        except OSError as error:
            raise PeerGone from error
        if not data:
            raise PeerGone
        self._sockets += sockets
        *lines, self._rest = (self._rest + data).split(b"\n")
        messages: list[tuple[Message, int | None]] = []
        for line in lines:
            message: Message = json.loads(line)
            messages.append((message, self._sockets.popleft() if message.get("socket") else None))
        return messages
