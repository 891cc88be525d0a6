"""Requests at a given rate, whether or not earlier ones were answered: wrk only sends when it is answered.

    python -m scripts.bench.service.rate URL CONTENT_TYPE FILE… --rate 100 --seconds 10 [--poisson]

One process on uvloop's event loop, with a parser in C; it prints a `Load` as JSON. It begins with as many connections
as users of a page and takes them in turn, as each user has one and sends now and then; where all of them wait for
answers it opens more. Where no more may be opened, a request waits for one, and its time counts from when it was due.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httptools
import uvloop

from scripts.bench.service.figures import Load, load_of

USERS = 32  # connections at the start
CONNECTIONS = 256
ANSWER_WITHIN_S = 30.0


class Connection(asyncio.Protocol):
    """A kept-alive connection that has one request in flight at most."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._since: float | None = None  # when the request in flight was due
        self.usable = True

    def send(self, request: bytes, since: float) -> None:
        """Send a request that was due at ``since``."""
        assert self._transport is not None
        self._since = since
        self._transport.write(request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class, which derives from none

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """The parser's: an answer is whole."""
        since, self._since = self._since, None
        if since is not None:
            self._pool.answered(self._parser.get_status_code(), time.perf_counter() - since)
        if self._parser.should_keep_alive():
            self._pool.free(self)
        else:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        self.usable = False
        self._pool.lost(failed=self._since is not None)

    def close(self) -> None:
        self.usable = False
        if self._transport is not None:
            self._transport.close()


class Pool:
    """Connections, requests that wait for one, and what came back."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: deque[Connection] = deque()
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.in_flight = 0
        self.statuses: Counter[int] = Counter()
        self.failures = 0
        self.times: list[float] = []  # seconds, of those with status 200
        self.late: list[float] = []

    async def open(self, count: int) -> None:
        """Open so many connections before the first request."""
        self._open += count
        await asyncio.gather(*(self._connect() for _ in range(count)))

    def request(self, request: bytes, due: float) -> None:
        """Send it as soon as there is a connection."""
        self.in_flight += 1
        while self._idle:
            connection = self._idle.popleft()
            if connection.usable:
                now = time.perf_counter()
                self.late.append(now - due)
                connection.send(request, now)
                return
        self._waiting.append((request, due))
        if self._open < CONNECTIONS:
            self._open += 1
            task = asyncio.get_running_loop().create_task(self._connect())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self), self._host, self._port
            )
        except OSError:
            self.lost(failed=bool(self._waiting))
            if self._waiting:
                self._waiting.popleft()
            return
        self.free(connection)

    def free(self, connection: Connection) -> None:
        """A connection can take a request."""
        if self._waiting:
            request, due = self._waiting.popleft()
            self.late.append(time.perf_counter() - due)
            connection.send(request, due)
        else:
            self._idle.append(connection)

    def answered(self, status: int, seconds: float) -> None:
        """An answer came."""
        self.in_flight -= 1
        self.statuses[status] += 1
        if status == 200:
            self.times.append(seconds)

    def lost(self, *, failed: bool) -> None:
        """A connection ended, with a request in flight or without."""
        self._open -= 1
        if failed:
            self.in_flight -= 1
            self.failures += 1


def schedule(rate: float, seconds: float, *, poisson: bool, seed: int = 0) -> Iterator[float]:
    """When requests are due, in seconds from the start: evenly, or at random as independent users come."""
    draw, at = random.Random(seed), 0.0
    while at < seconds:
        yield at
        at += draw.expovariate(rate) if poisson else 1 / rate


async def run(url: str, requests: Sequence[bytes], rate: float, seconds: float, *, poisson: bool) -> Load:
    """Send at ``rate`` a second and wait for what is in flight."""
    address = urlsplit(url)
    pool = Pool(address.hostname or "127.0.0.1", address.port or 80)
    await pool.open(USERS)
    begun = time.perf_counter()
    for number, at in enumerate(schedule(rate, seconds, poisson=poisson)):
        if (early := begun + at - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        elif number % 16 == 0:  # behind: still let answers in
            await asyncio.sleep(0)
        pool.request(requests[number % len(requests)], begun + at)
    end = time.perf_counter() + ANSWER_WITHIN_S
    while pool.in_flight and time.perf_counter() < end:
        await asyncio.sleep(0.005)
    statuses = {str(status): number for status, number in sorted(pool.statuses.items())}
    took = time.perf_counter() - begun
    return load_of(took, statuses, pool.failures + pool.in_flight, pool.times, pool.late)


def post(url: str, content_type: str, body: bytes) -> bytes:
    """A whole request."""
    address = urlsplit(url)
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main(argv: Sequence[str] | None = None) -> int:
    """Send, and print what came back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("content_type")
    parser.add_argument("bodies", nargs="+", type=Path)
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--poisson", action="store_true", help="at random times, as independent users come")
    given = parser.parse_args(argv)
    requests = [post(given.url, given.content_type, path.read_bytes()) for path in given.bodies]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = runner.run(run(given.url, requests, given.rate, given.seconds, poisson=given.poisson))
    print(json.dumps(asdict(load)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
