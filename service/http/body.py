"""What a request brings, which nobody can make endless: limits on bytes, time, and memory of all bodies together."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import Message

from service.http import state
from service.http.state import State
from service.problems import BAD_REQUEST, OVERLOADED, TIMEOUT, TOO_LARGE, Problem

FIELD: Final = "image"
FORM_LIMITS: Final[Any] = {"max_files": 4, "max_fields": 16, "max_part_size": 4_096}
MAX_CONTENT_TYPE: Final = 1_024  # bytes; clients send about 70
_HOW: Final = f"send one form field `{FIELD}` with the file, as `curl -F {FIELD}=@photo.jpg` does"


class LimitedRoute(APIRoute):
    """A route that takes a body; its bytes count in the buffer of all bodies and frames until it is answered."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's, which reads the body through `_Body`."""
        handle = super().get_route_handler()

        async def limited(request: Request) -> Response:
            own, body = state.of(request), _Body(request)
            try:
                return await handle(Request(request.scope, body.receive))
            finally:
                own.buffer.give(body.held)

        return limited


class _Body:
    def __init__(self, request: Request) -> None:
        self.held = 0  # bytes
        self._own: State = state.of(request)
        self._request = request
        self._until = asyncio.get_running_loop().time() + self._own.settings.timeout_s
        announced = request.headers.get("content-length", "")
        self._announced = int(announced) if announced.isdecimal() else 0

    async def receive(self) -> Message:
        """The next part of the body.

        Raises:
            Problem: it is too long (said before it is read, where its length is announced), takes too long, or there is
                no room for it now.
        """
        settings = self._own.settings
        self._limit(self._announced)
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._request.receive()
        except TimeoutError as error:
            why = f"the body did not arrive in {settings.timeout_s:g} s; send it faster, or a smaller picture"
            raise Problem(TIMEOUT, why) from error
        count = len(message.get("body", b""))
        self._limit(self.held + count)
        if not self._own.buffer.take(count):
            raise Problem(OVERLOADED, "too much is being uploaded at the moment; try again in a second")
        self.held += count
        return message

    def _limit(self, count: int) -> None:
        if count > (most := self._own.settings.body_bytes):
            raise Problem(TOO_LARGE, f"the body is larger than {most / 1e6:g} MB; send a smaller one")


async def picture(request: Request) -> bytes:
    """The body, or where it is a form, the content of its one file ``image``.

    Raises:
        Problem: it is empty, or a form without such a field, or with two of them.
    """
    content_type = request.headers.get("content-type", "")
    if not content_type.strip().lower().startswith("multipart/form-data"):  # the picture says itself what it is
        if data := await request.body():
            return data
        raise Problem(BAD_REQUEST, f"the body is empty; send a picture as the body, or {_HOW}")
    if len(content_type) > MAX_CONTENT_TYPE:
        raise Problem(BAD_REQUEST, f"the Content-Type is longer than {MAX_CONTENT_TYPE} bytes; {_HOW}")
    try:
        async with request.form(**FORM_LIMITS) as form:
            found = [each for each in form.getlist(FIELD) if isinstance(each, UploadFile)]
            if len(found) == 1:
                return await found[0].read()
            others = ", ".join(ascii(name[:40]) for name in form)
    except Problem:
        raise
    except HTTPException as error:
        raise Problem(BAD_REQUEST, f"the form can't be read ({error.detail}); {_HOW}") from error
    there = f"its fields are {others}" if others else "it is empty"
    raise Problem(BAD_REQUEST, f"the form has {len(found)} files `{FIELD}` ({there}); {_HOW}")
