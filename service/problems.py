"""What the service says when it does not answer: one shape everywhere, problem details of RFC 9457.

``{"type": "/docs#overloaded", "title": …, "status": 503, "detail": what to do, "request_id": …}`` as
``application/problem+json``; `/stream` sends the same object as a message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from bundle.errors import NotAPicture, TooManyPixels, UserError

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1  # Retry-After knows whole seconds only; a queue empties in less


class ProblemDetails(BaseModel):
    """Problem details, RFC 9457."""

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
TOO_MANY: Final = Kind("too-many", 429, "More was sent in than is taken")
INTERNAL: Final = Kind("internal", 500, "Something is wrong in the service")
OVERLOADED: Final = Kind("overloaded", 503, "More is asked than can be answered in time")
TOO_LATE: Final = Kind("too-late", 503, "The picture waited longer than its deadline")
NOT_READY: Final = Kind("not-ready", 503, "No model is ready")
FULL: Final = Kind("full", 507, "There is no room to keep it")

KINDS: Final = (
    *(BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, METHOD, TIMEOUT, TOO_LARGE, UNSUPPORTED, UNUSABLE, TOO_MANY),
    *(INTERNAL, OVERLOADED, TOO_LATE, NOT_READY, FULL),
)
_BY_STATUS: Final = {kind.status: kind for kind in reversed(KINDS)}
_BY_ERROR: Final[dict[type[Exception], Kind]] = {NotAPicture: UNSUPPORTED, TooManyPixels: TOO_LARGE}


class Problem(UserError, HTTPException):
    """A request that is not answered, and what its sender can do."""

    def __init__(self, kind: Kind, detail: str, headers: Mapping[str, str] | None = None) -> None:
        own = {503: {"Retry-After": str(RETRY_AFTER_S)}, 401: {"WWW-Authenticate": "Bearer"}}.get(kind.status, {})
        HTTPException.__init__(self, kind.status, detail, own | dict(headers or {}))
        self.kind = kind

    def details(self, request_id: str) -> ProblemDetails:
        """The problem details object."""
        return ProblemDetails(
            type=f"/docs#{self.kind.name}",
            title=self.kind.title,
            status=self.kind.status,
            detail=self.detail,
            request_id=request_id,
        )


def of(error: Exception) -> Problem:
    """What to tell of an error: our own, of a picture, or of the framework."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        said = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()[:3])
        return Problem(BAD_REQUEST, said)
    if isinstance(error, HTTPException):
        kind = _BY_STATUS.get(error.status_code, BAD_REQUEST if error.status_code < 500 else INTERNAL)
        details = {
            NOT_FOUND: "check the address; /docs lists what there is",
            METHOD: f"use {(error.headers or {}).get('Allow', 'another method')}; /docs shows each address",
        }
        return Problem(kind, details.get(kind, error.detail), error.headers)
    return Problem(_BY_ERROR.get(type(error), UNUSABLE), str(error))
