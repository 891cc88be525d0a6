"""What the page asks of the review: the queue, decisions, pictures, and what was wrong."""

import asyncio
import logging
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import UploadFile

from bundle.answer import Evidence
from pipeline.data import manifest
from service.http.state import Service
from service.problems import BAD_REQUEST, Problem
from studio.errors import NotFoundError
from studio.review import compare, decisions, thumbs
from studio.review.decisions import Action, Decision
from studio.review.inbox import Feedback
from studio.review.queue import Item, Queue
from studio.routes import limit, studio_of

MOST_BYTES: Final = 20_000_000  # of a picture that is sent in
_LOG = logging.getLogger(__name__)
_HASH = re.compile(r"[0-9a-f]{64}")

router = APIRouter(prefix="/studio")


class Wanted(BaseModel):
    """A decision on some items."""

    action: Action | Literal["forget"]
    ids: list[str] = Field(min_length=1, max_length=100_000)
    label: str = ""
    author: str = ""
    licence: str = ""
    why: str = ""


class Decided(BaseModel):
    """The step that it has become, and what is still to be done."""

    step: int
    why: str = ""


def queue_of(request: Request) -> Queue:
    """The queue of the application, made when it is asked for first."""
    state = request.app.state
    if not hasattr(state, "review"):
        state.review = Queue(studio_of(request).album)
    found: Queue = state.review
    return found


@router.get("/review")
async def review(request: Request, after: str = "", count: Annotated[int, Query(ge=1, le=1000)] = 60) -> dict[str, Any]:
    """A part of the queue, the worst first: the items behind the cursor ``after``."""
    queue = queue_of(request)
    items = await asyncio.to_thread(queue.items)
    start = sum(item.place <= _read(after) for item in items) if after else 0
    part = items[start : start + count]
    more = start + count < len(items)
    return {
        "total": len(items),
        "items": [_shown(item, queue.album.data.ood_label) for item in part],
        "next": f"{-part[-1].place[0]:.9f}:{part[-1].id}" if more else None,
    }


@router.get("/review/measure")
async def measure(request: Request, since: Annotated[int, Query(ge=1)]) -> compare.Comparison:
    """Whether the steps from ``since`` on have made the photos teach better."""
    return await asyncio.to_thread(compare.since, queue_of(request), since)


@router.get("/review/{item}/evidence")
async def evidence(request: Request, own: Service, item: str) -> Evidence:
    """Where in the picture the model that is served sees the label that it finds the likeliest."""
    return await asyncio.to_thread(queue_of(request).evidence, item, own.queue.served())


@router.post("/review")
async def decide(request: Request, wanted: Wanted) -> Decided:
    """Carry out a decision on some items, as one step; to forget them is one that can't be undone."""
    queue, studio = queue_of(request), studio_of(request)
    if wanted.action == "forget":
        return await studio.change(lambda: _forget(queue, wanted.ids, wanted.why))
    decision = Decision(wanted.action, wanted.label, wanted.author, wanted.licence, wanted.why)
    step = await studio.change(lambda: decisions.decide(queue, wanted.ids, decision))
    return Decided(step=step.step)


@router.post("/wrong", status_code=204)
async def wrong(request: Request) -> None:
    """Send a picture in whose answer was wrong: form fields picture, label, model, answer and score."""
    limit(request, MOST_BYTES, "the picture has", "send a smaller one")
    async with request.form(max_files=1, max_fields=8) as form:
        picture = form.get("picture")
        data = await picture.read() if isinstance(picture, UploadFile) else b""
        fields = {key: value for key, value in form.items() if isinstance(value, str) and value}
    try:
        said = Feedback.model_validate(fields | {"at": datetime.now(UTC)})
    except ValidationError as error:
        raise Problem(BAD_REQUEST, "send the form fields picture, label, model, answer and score") from error
    studio, queue = studio_of(request), queue_of(request)
    author = str(studio.state()["author"])
    await asyncio.to_thread(queue.send, data, said, author)
    studio.bump()


@router.get("/photos/{file:path}")
def photo(request: Request, file: str, side: Annotated[int | None, Query(ge=16, le=2048)] = None) -> Response:
    """A photo as JPEG, by its file or by its hash (as of a picture that was sent in), or a thumbnail of it."""
    queue = queue_of(request)
    if _HASH.fullmatch(file):
        path = queue.find(file)
    elif why := manifest.why_illegal_path(file):
        raise NotFoundError(f"{file!r} is no photo: {why}")
    else:
        path = queue.album.data.images / file
    sha256, data = thumbs.picture(path, side)
    headers = {"ETag": f'"{sha256}-{side or ""}"', "Cache-Control": "private, no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type="image/jpeg", headers=headers)


def _forget(queue: Queue, ids: list[str], why: str) -> Decided:
    from studio.forget import work  # with DVC and MLflow, which nothing else here needs

    receipts = work.forget(ids, why, album=queue.album, train=False, say=_LOG.info)
    left = sorted({place for receipt in receipts for place in receipt.open})
    todo = f"{', '.join(left)}: not done; `python -m studio forget --resume` goes on" if left else ""
    return Decided(step=queue.album.journal.next - 1, why=todo)


def _read(cursor: str) -> tuple[float, str]:
    weight, _, item = cursor.partition(":")
    try:
        return -float(weight), item
    except ValueError as error:
        raise Problem(BAD_REQUEST, "that is no cursor of this queue; begin again without one") from error


def _shown(item: Item, ood_label: str) -> dict[str, Any]:
    known, row, sent = item.probabilities, item.row, item.sent
    return {
        "id": item.id,
        "file": row.file if row else None,
        "label": item.label,
        "thinks": {
            "label": None if item.thinks == ood_label else item.thinks,
            "probabilities": [round(value, 4) for value in known.values()],
            "labels": [*known],
        }
        if known
        else None,
        "why": [
            {"kind": flag.kind, "said": flag.said, "other": other}
            for flag, other in zip(item.why, item.others, strict=True)
        ],
        "author": row.author if row else "",
        "licence": row.licence if row else "",
        "group": row.group if row else sent.group if sent else "",
        "sent": {"model": sent.model, "label": sent.answer, "score": sent.score, "at": sent.at.isoformat()}
        if sent
        else None,
    }
