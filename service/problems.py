"""What the service says when it does not answer: one shape everywhere, problem details of RFC 9457.

``{"type": "/docs#overloaded", "title": …, "status": 503, "detail": what to do, "request_id": …}`` as
``application/problem+json``; `/stream` sends the same object as a message.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bundle.errors import NotAPicture, PictureError, TooManyPixels, UserError

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1  # Retry-After knows whole seconds only; a queue empties in less

LINGER_S: Final = 1.0  # how long to go on taking a body that is refused, so that its sender gets to read why
LINGER_BYTES: Final = 100_000_000  # and how much of it


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

    def to_json(self, request_id: str) -> dict[str, Any]:
        """The problem details object."""
        return {
            "type": f"/docs#{self.kind.name}",
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "request_id": request_id,
        }


def of_picture(error: PictureError) -> Problem:
    """Say about a picture what the decoder found."""
    kind = UNUSABLE
    if isinstance(error, TooManyPixels):
        kind = TOO_LARGE
    elif isinstance(error, NotAPicture):
        kind = UNSUPPORTED
    return Problem(kind, str(error))


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
    body = json.dumps(problem.to_json(state.get("request_id", "")), ensure_ascii=False).encode()
    made = _Lingering if problem.headers.get("Connection") == "close" else Response
    return made(body, problem.kind.status, problem.headers, MEDIA_TYPE)


class _Lingering(Response):
    """An answer that comes before the body was read, and closes the connection.

    Closing with unread data makes TCP reset the connection, which can take the answer away before its reader has
    seen it. So the rest of the body is thrown away for a moment first.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's signature
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        left = LINGER_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while left > 0 and (message := await receive())["type"] == "http.request":
                    left = left - len(message.get("body", b"")) if message.get("more_body") else 0
        await send({"type": "http.response.body", "body": b""})
