"""Reading a request body that nobody can make endless: bytes, time, and memory of all bodies together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import ClientDisconnect, Request

from service.http.problems import BAD_REQUEST, OVERLOADED, TIMEOUT, TOO_LARGE, Problem

CLOSE: Final = {"Connection": "close"}


class Buffer:
    """The bytes of bodies and frames that are held; of one event loop, so it needs no lock."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    def take(self, count: int) -> bool:
        """Reserve ``count`` bytes; False where they would exceed the limit."""
        if count > self._free:
            return False
        self._free -= count
        return True

    def give(self, count: int) -> None:
        """Give reserved bytes back."""
        self._free += count


@asynccontextmanager
async def read(request: Request, *, limit: int, timeout_s: float, buffer: Buffer) -> AsyncIterator[bytes]:
    """Read the body of a request; its bytes count in ``buffer`` until the block ends.

    Args:
        request: whose body was not read yet.
        limit: most bytes.
        timeout_s: time for all of it.
        buffer: what all bodies share.

    Raises:
        Problem: it is longer than ``limit`` (said before it is read, where its length is announced), takes longer
            than ``timeout_s``, is empty, or there is no room for it now.
        ClientDisconnect: the client went away.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    try:
        try:
            async with asyncio.timeout(timeout_s):
                await _read(request, limit, buffer, chunks)
        except TimeoutError as error:
            raise Problem(
                TIMEOUT,
                f"the body did not arrive in {timeout_s:g} s; send it faster, or a smaller picture",
                CLOSE,
            ) from error
        if not any(chunks):
            raise Problem(BAD_REQUEST, "the body is empty; send a picture as the body or as form field `image`")
        yield chunks[0] if len(chunks) == 1 else b"".join(chunks)
    finally:
        buffer.give(sum(map(len, chunks)))


async def _read(request: Request, limit: int, buffer: Buffer, chunks: list[bytes]) -> None:
    held = 0
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        held += len(chunk)
        if held > limit:
            raise _too_large(limit)
        if not buffer.take(len(chunk)):
            raise Problem(OVERLOADED, "too much is being uploaded at the moment; try again in a second", CLOSE)
        chunks.append(chunk)
        more = message.get("more_body", False)


def _too_large(limit: int) -> Problem:
    return Problem(
        TOO_LARGE,
        f"the body is larger than {limit / 1e6:g} MB; scale the picture down or compress it more",
        CLOSE,
    )
