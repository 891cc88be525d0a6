"""The picture out of a request, whose body nobody can make endless: bytes, time, and memory of all bodies together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header
from starlette.requests import Request

from service.problems import BAD_REQUEST, OVERLOADED, TIMEOUT, TOO_LARGE, Problem
from service.settings import Settings

FIELD: Final = "image"
MAX_PARTS: Final = 16
# Bytes of Content-Type, and of each header of a part: python-multipart reads their parameters in a time that grows with
# the square of their length.
MAX_HEADER: Final = 1_024
_HOW: Final = f"send one form field `{FIELD}` with the file, as `curl -F {FIELD}=@photo.jpg` does"


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
async def read(request: Request, settings: Settings, buffer: Buffer) -> AsyncIterator[bytes]:
    """Read the body of a request; its bytes count in ``buffer``, which all bodies share, until the block ends.

    Raises:
        Problem: it is too long (said before it is read, where its length is announced), takes too long, is empty, or
            there is no room for it now.
        ClientDisconnect: the client went away.
    """
    limit = settings.body_bytes
    too_large = Problem(TOO_LARGE, f"the body is larger than {limit / 1e6:g} MB; scale the picture down")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large
    chunks: list[bytes] = []
    held = 0
    try:
        try:
            async with asyncio.timeout(settings.timeout_s):
                async for chunk in request.stream():
                    if held + len(chunk) > limit:
                        raise too_large
                    if not buffer.take(len(chunk)):
                        raise Problem(OVERLOADED, "too much is being uploaded at the moment; try again in a second")
                    held += len(chunk)
                    chunks.append(chunk)
        except TimeoutError as error:
            why = f"the body did not arrive in {settings.timeout_s:g} s; send it faster, or a smaller picture"
            raise Problem(TIMEOUT, why) from error
        if not held:
            raise Problem(BAD_REQUEST, "the body is empty; send a picture as the body or as form field `image`")
        yield b"".join(chunks)
    finally:
        buffer.give(held)


def picture(body: bytes, content_type: str) -> bytes:
    """The content of a form's one field ``image``; for a thread, as a hostile form may take some milliseconds.

    Raises:
        Problem: it is no form, or has no such field, or two of them.
    """
    if len(content_type) > MAX_HEADER:
        raise Problem(BAD_REQUEST, f"the Content-Type is longer than {MAX_HEADER} bytes; {_HOW}")
    found: list[tuple[str, bytes]] = []
    ended: list[bool] = []

    def take(part: Field | File) -> None:
        if len(found) >= MAX_PARTS:
            raise Problem(BAD_REQUEST, f"the form has more than {MAX_PARTS} parts; {_HOW}")
        if isinstance(part, File):
            part.file_object.seek(0)
            content = part.file_object.read()
        else:
            content = part.value or b""
        found.append(((part.field_name or b"").decode("utf-8", "replace"), content))

    try:
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        form = FormParser(
            "multipart/form-data",
            take,
            take,
            on_end=lambda: ended.append(True),
            boundary=boundary,
            config={"MAX_MEMORY_FILE_SIZE": len(body), "MAX_HEADER_SIZE": MAX_HEADER},
        )
        form.write(body)
        form.finalize()
    except (FormParserError, ValueError) as error:
        raise Problem(BAD_REQUEST, f"the form is none that can be read; {_HOW}") from error
    if not ended or not boundary:
        raise Problem(BAD_REQUEST, f"the form breaks off or is none; {_HOW}")
    pictures = [content for name, content in found if name == FIELD]
    if len(pictures) != 1:
        others = ", ".join(ascii(name[:40]) for name, _ in found)
        there = f"its fields are {others}" if others else "it is empty"
        raise Problem(BAD_REQUEST, f"the form has {len(pictures)} fields `{FIELD}` ({there}); {_HOW}")
    return pictures[0]
