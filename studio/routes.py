"""What the page asks of the studio: teach, undo, keep, and the state of all of it."""

import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import BaseModel
from starlette.datastructures import UploadFile

from pipeline.core.errors import PipelineError, StorageError
from service.http.state import Service
from service.problems import BAD_REQUEST, NOT_FOUND, TOO_LARGE, Kind, Problem
from studio.album import MOST_FRAMES
from studio.errors import StudioError
from studio.guard import Guard
from studio.live import Studio

WAIT_S: Final = 20.0  # for a change of the state
TICK_S: Final = 0.1  # how soon a waiting request notices that another model is served, or that the service stops
MOST_BYTES: Final = 500_000_000  # of one burst
KINDS: Final = {
    404: NOT_FOUND,
    409: Kind("busy", 409, "The photos are in use"),
    422: Kind("refused", 422, "That can't be done"),
    507: Kind("disk-full", 507, "There is no room"),
}

router = APIRouter(prefix="/studio")
open_router = APIRouter(prefix="/studio")  # for who has no session yet


def problem_of(error: StudioError | PipelineError) -> Problem:
    """What to answer."""
    status = 507 if isinstance(error, StorageError) else getattr(error, "status", 422)
    return Problem(KINDS[status], str(error))


def studio_of(request: Request) -> Studio:
    """The studio of the application."""
    found: Studio = request.app.state.studio
    return found


def limit(request: Request, most: int, what: str, way_out: str) -> None:
    """Refuse a body that is announced with more than ``most`` bytes.

    Raises:
        Problem: it is.
    """
    if int(request.headers.get("content-length") or 0) > most:
        raise Problem(TOO_LARGE, f"{what} more than {most / 1e6:g} MB; {way_out}")


class Token(BaseModel):
    """Of the printed address."""

    token: str


class Taken(BaseModel):
    """Photos that were kept."""

    step: int
    kept: list[str]
    dropped: int
    sent: list[int]


class Undone(BaseModel):
    """The step that took another one back, and what it could not take back."""

    step: int
    why: str


@open_router.post("/session", status_code=204)
async def sign_in(request: Request, given: Token) -> Response:
    """Turn the token of the printed address into a cookie."""
    guard: Guard = request.app.state.guard
    return guard.sign_in(request, given.token)


@router.get("/state")
async def state(request: Request, own: Service, seen: Annotated[int, Query()] = 0) -> dict[str, Any]:
    """Everything; where ``seen`` is the newest, after the next change or 20 s."""
    studio, until = studio_of(request), time.monotonic() + WAIT_S
    studio.serves(own.queue.served().version)
    while seen == studio.seq and time.monotonic() < until and not own.draining:
        await studio.changed(TICK_S)
        studio.serves(own.queue.served().version)
    return studio.state()


@router.post("/teach")
async def teach(request: Request) -> Taken:
    """Keep the frames of one burst: form fields label, author (where it is not known) and frames."""
    limit(request, MOST_BYTES, "together the frames have", "hold for a shorter time")
    async with request.form(max_files=MOST_FRAMES + 1, max_fields=4) as form:
        label, author = form.get("label"), form.get("author", "")
        frames = [await each.read() for each in form.getlist("frames") if isinstance(each, UploadFile)]
    if not isinstance(label, str) or not isinstance(author, str):
        raise Problem(BAD_REQUEST, "send the form fields label and frames")
    step = await studio_of(request).teach(label, author, frames)
    kept = [change.after.file for change in step.changes if change.after]
    return Taken(step=step.step, kept=kept, dropped=len(frames) - len(kept), sent=list(step.sent))


@router.post("/undo")
async def undo(
    request: Request, step: Annotated[int, Body()], files: Annotated[tuple[str, ...], Body()] = ()
) -> Undone:
    """Take a step back, or some of its photos."""
    done = await studio_of(request).undo(step, files)
    return Undone(step=done.step, why=done.why)


@router.post("/keep", status_code=202)
async def keep(request: Request) -> dict[str, int]:
    """Run the whole pipeline; the state tells how it goes."""
    return {"id": (await studio_of(request).keep()).id}


@router.post("/cancel", status_code=202)
async def cancel(request: Request) -> dict[str, bool]:
    """End the run."""
    studio_of(request).cancel()
    return {"cancelled": True}
