"""What the service says when it does not answer: one shape everywhere, problem details of RFC 9457.

``{"type": "/docs#overloaded", "title": …, "status": 503, "detail": what to do, "request_id": …}`` as
``application/problem+json``; `/stream` sends the same object as a message.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bundle.errors import NotAPicture, PictureError, TooManyPixels, UserError
from service.inference.errors import NoModel, NotInferred, TooLate

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1  # Retry-After knows whole seconds only; a queue empties in less
IMPATIENT_S: Final = 0.1  # a connection that was refused for load is read again only then: see `_Paced`

LINGER_S: Final = 1.0  # how long to go on taking a body that is refused, so that its sender gets to read why
LINGER_BYTES: Final = 100_000_000  # and how much of it


class ProblemDetails(BaseModel):
    """Problem details, RFC 9457."""

    model_config = ConfigDict(title="Problem", extra="forbid")

    type: str = Field(description="kind of problem, an address in /docs")
    title: str
    status: int
    detail: str = Field(description="what is wrong and what to do")
    request_id: str = Field(description="also in the header X-Request-ID and in the log")


@dataclass(frozen=True)
class Kind:
    """A kind of problem; ``name`` is the anchor in /docs and the outcome in the metrics."""

    name: str
    status: int
    title: str


BAD_REQUEST: Final = Kind("bad-request", 400, "The request can't be understood")
UNAUTHORIZED: Final = Kind("unauthorized", 401, "An API key is needed")
NOT_FOUND: Final = Kind("not-found", 404, "There is nothing at this address")
METHOD: Final = Kind("method-not-allowed", 405, "This address takes other methods")
TIMEOUT: Final = Kind("timeout", 408, "The request took too long to arrive")
TOO_LARGE: Final = Kind("too-large", 413, "The picture is too large")
UNSUPPORTED: Final = Kind("unsupported", 415, "This is no picture that is taken")
UNUSABLE: Final = Kind("unusable", 422, "The picture can't be used")
HEADERS: Final = Kind("headers-too-large", 431, "The head of the request is too large")
INTERNAL: Final = Kind("internal", 500, "Something is wrong in the service")
OVERLOADED: Final = Kind("overloaded", 503, "More is asked than can be answered in time")
TOO_LATE: Final = Kind("too-late", 503, "The picture waited longer than its deadline")
NOT_READY: Final = Kind("not-ready", 503, "No model is ready")

KINDS: Final = (
    BAD_REQUEST,
    UNAUTHORIZED,
    NOT_FOUND,
    METHOD,
    TIMEOUT,
    TOO_LARGE,
    UNSUPPORTED,
    UNUSABLE,
    HEADERS,
    INTERNAL,
    OVERLOADED,
    TOO_LATE,
    NOT_READY,
)
_BY_STATUS: Final = {kind.status: kind for kind in reversed(KINDS)}


class Problem(UserError):
    """A request that is not answered, and what its sender can do."""

    def __init__(self, kind: Kind, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
        elif kind is UNAUTHORIZED:
            self.headers.setdefault("WWW-Authenticate", "Bearer")

    def details(self, request_id: str) -> ProblemDetails:
        """The problem details object."""
        return ProblemDetails(
            type=f"/docs#{self.kind.name}",
            title=self.kind.title,
            status=self.kind.status,
            detail=self.detail,
            request_id=request_id,
        )


def of_picture(error: PictureError) -> Problem:
    """Say about a picture what the decoder found."""
    kind = UNUSABLE
    if isinstance(error, TooManyPixels):
        kind = TOO_LARGE
    elif isinstance(error, NotAPicture):
        kind = UNSUPPORTED
    return Problem(kind, str(error))


def of_not_inferred(error: NotInferred) -> Problem:
    """Say about a picture why the queue did not take it, or did not come to it."""
    if isinstance(error, NoModel):
        return Problem(NOT_READY, str(error))
    return Problem(TOO_LATE if isinstance(error, TooLate) else OVERLOADED, str(error))


def of_status(error: HTTPException) -> Problem:
    """Say about a status of the framework's own."""
    kind = _BY_STATUS.get(error.status_code, BAD_REQUEST if error.status_code < 500 else INTERNAL)
    details = {
        NOT_FOUND: "check the address; /docs lists what there is",
        METHOD: f"use {(error.headers or {}).get('Allow', 'another method')}; /docs shows each address",
    }
    return Problem(kind, details.get(kind, error.detail), error.headers)


def response(problem: Problem, request: Request) -> Response:
    """The answer that tells of a problem; it notes the kind for metrics and log."""
    state = request.scope.setdefault("state", {})
    state["outcome"] = problem.kind.name
    body = problem.details(state.get("request_id", "")).model_dump_json().encode()
    made = Response
    if problem.headers.get("Connection") == "close":
        made = _Lingering
    elif problem.kind is OVERLOADED:
        made = _Paced
    return made(body, problem.kind.status, problem.headers, MEDIA_TYPE)


class _Unfinished(Response):
    """An answer that is all there at once, and whose end the server sees later."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's signature
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wait_s):
                await self._hold(receive)
        await send({"type": "http.response.body", "body": b""})

    _wait_s = LINGER_S

    async def _hold(self, receive: Receive) -> None:
        raise NotImplementedError


class _Lingering(_Unfinished):
    """An answer that comes before the body was read, and closes the connection.

    Closing with unread data makes TCP reset the connection, which can take the answer away before its reader has
    seen it. So the rest of the body is thrown away for a moment first.
    """

    async def _hold(self, receive: Receive) -> None:
        left = LINGER_BYTES
        while left > 0 and (message := await receive())["type"] == "http.request":
            left = left - len(message.get("body", b"")) if message.get("more_body") else 0


class _Paced(_Unfinished):
    """A refusal for load: the next request on its connection is not read for a moment.

    Who heeds Retry-After does not notice. Who asks again at once, all the time, can't take from the others more than
    a few refusals a second cost.
    """

    _wait_s = IMPATIENT_S

    async def _hold(self, receive: Receive) -> None:
        while (await receive())["type"] == "http.request":
            pass
