"""Pictures in, answers out; the model; how the service is."""

import asyncio
import hashlib
import mimetypes
from functools import partial
from pathlib import PurePath
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, File, Form, Path, Query, Request, Response, UploadFile
from fastapi.responses import FileResponse, PlainTextResponse
from pydantic import BaseModel, Field

import bundle
from bundle.answer import Answer
from bundle.engine import Engine
from bundle.manifest import Manifest
from service import metrics
from service.feedback import Feedback
from service.http import body, state
from service.http.auth import need_key
from service.http.state import Service
from service.inference.identify import identify as infer
from service.problems import BAD_REQUEST, NOT_FOUND, TOO_LARGE, Problem

FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"  # a cache may keep it, but has to ask whether it is still the same
MEDIA: Final = {".md": "text/markdown; charset=utf-8", ".html": "text/html; charset=utf-8"}
ALIVE_WITHIN_S: Final = 5.0  # an event loop that does not turn for so long is not alive
CARDS: Final = {"card": "MODEL_CARD.md", "card.html": "MODEL_CARD.html"}

_FILE: Final = {"type": "string", "format": "binary"}
_FORM: Final = {"type": "object", "required": [body.FIELD], "properties": {body.FIELD: _FILE}}
_PICTURE: Final = {
    "requestBody": {
        "required": True,
        "description": "a picture (JPEG, PNG or WebP, told by its content), as form field `image` or as the body",
        "content": {
            "multipart/form-data": {"schema": _FORM},
            **{f"image/{name}": {"schema": _FILE} for name in ("jpeg", "png", "webp")},
        },
    }
}
_ANY_FILE: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"*/*": {"schema": _FILE}}}}
_CACHED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "the client has it already (If-None-Match)"}}

VERSION: Final = "^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"  # as manifests have it

Name = Annotated[str, Path(description="as the manifest lists it, or card, card.html", examples=["model.onnx"])]
Sha256 = Annotated[
    str | None,
    Query(
        pattern="^[0-9a-f]{64}$", description="of the file, from the manifest; then the answer may be cached for ever"
    ),
]
Explain = Annotated[bool, Query(description="also say where in the frame the label shows (`evidence`); 1 or 0")]


class Ready(BaseModel):
    """A model is loaded and reproduced its golden frames."""

    ready: bool = True
    model: str = Field(description="version of the model")
    trouble: str | None = Field(
        description="why a newer model was not taken over, if so: unreachable, absent, tainted, damaged, unwritable or "
        "refused; the log says more"
    )


open_router = APIRouter()  # without a key
router = APIRouter(dependencies=[Depends(need_key)], route_class=body.LimitedRoute)
feedback_router = APIRouter(dependencies=[Depends(need_key)], route_class=body.LimitedRoute)


@router.post(
    "/identify",
    summary="What is in this picture?",
    response_model=Answer,
    response_model_exclude_unset=True,
    openapi_extra=_PICTURE,
)
async def identify(request: Request, own: Service, explain: Explain = False) -> Any:
    """A label, or null for none of these.

    curl -F image=@photo.jpg http://127.0.0.1:8000/identify
    curl -H 'Content-Type: image/jpeg' --data-binary @photo.jpg http://127.0.0.1:8000/identify
    """
    picture = await body.picture(request)
    job = partial(infer, picture, memory=own.settings.decode_bytes, metrics=own.metrics, explain=explain)
    answer: Answer = await own.queue.run(job, state.client_of(request.scope))
    return Response(answer.model_dump_json(by_alias=True, exclude_unset=True), media_type="application/json")


@router.get("/model", summary="The manifest of the served model", response_model=Manifest, responses=_CACHED)
async def model(request: Request, own: Service) -> Response:
    """Labels, input, figures, lineage, sha256 of every file."""
    manifest = own.queue.served().bundle.path(bundle.MANIFEST).read_bytes()
    headers = {"ETag": f'"{hashlib.sha256(manifest).hexdigest()}"', "Cache-Control": ASK_AGAIN}
    headers |= {"X-Feedback": "on"} if own.settings.feedback else {}
    return _unless_known(request, headers) or Response(manifest, 200, headers, "application/json")


@router.get(
    "/model/{name:path}",
    summary="A file of the served model",
    response_class=FileResponse,
    responses=_CACHED | _ANY_FILE,
)
async def file(request: Request, own: Service, name: Name, sha256: Sha256 = None) -> Response:
    """A file of the bundle, as the manifest names it: model.onnx, model.int8.onnx, golden/….

    `card` is the model card in Markdown, `card.html` the same as a fragment of HTML, which older bundles have not. With
    `?sha256=` of the manifest a file may be cached for ever, and a swap in between is noticed; without, a cache has to
    ask each time (ETag).
    """
    bundle = own.queue.served().bundle
    name = CARDS.get(name, name)
    entry = bundle.manifest.files.get(name)
    if entry is None:
        raise Problem(NOT_FOUND, f"the model {bundle.manifest.version} has no such file; /model lists them all")
    if sha256 not in (None, entry.sha256):
        raise Problem(NOT_FOUND, f"{name} is another one by now (a new model was taken over); ask /model again")
    headers = {"ETag": f'"{entry.sha256}"', "Cache-Control": FOREVER if sha256 else ASK_AGAIN, "Accept-Ranges": "none"}
    media = MEDIA.get(PurePath(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return _unless_known(request, headers) or FileResponse(bundle.path(name), 200, headers, media)


@feedback_router.post("/feedback", summary="That answer is wrong", status_code=204)
async def feedback(
    request: Request,
    own: Service,
    *,
    picture: Annotated[UploadFile, File(description="the picture (JPEG, PNG or WebP); it is kept, without metadata")],
    label: Annotated[str, Form(max_length=200, description="the right label; empty for none of these")] = "",
    model: Annotated[str, Form(pattern=VERSION, description="version of the model that answered")],
    answer: Annotated[str, Form(max_length=200, description="its label; empty for none of these")] = "",
    score: Annotated[float, Form(ge=0, le=1, description="its score")],
) -> Response:
    """Keep a picture, and the right label, for who trains the model; only where the service is set up for it."""
    client = state.client_of(request.scope)
    store: Feedback = request.app.state.feedback
    store.count(client)
    if (picture.size or 0) > own.settings.frame_bytes:
        raise Problem(TOO_LARGE, f"the picture is larger than {own.settings.frame_bytes / 1e6:g} MB; scale it down")
    data = await picture.read()
    about = {"model": model, "answer": answer or None, "score": score, "label": label}

    def job(served: Engine, _: float) -> int:
        if label and label not in served.labels:
            raise Problem(BAD_REQUEST, f"the labels are {', '.join(served.labels)[:1_000]}, or empty for none of these")
        return store.keep(data, about)

    store.add(client, await own.queue.run(job, client))
    return Response(status_code=204)


@open_router.get("/healthz", summary="Alive?")
async def healthz(own: Service) -> dict[str, bool]:
    """This process answers, and its event loop turns."""
    turn = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), own.loop)
    await asyncio.wait_for(asyncio.wrap_future(turn), ALIVE_WITHIN_S)
    return {"alive": True}


@open_router.get("/readyz", summary="Ready?")
async def readyz(own: Service) -> Ready:
    """A model is loaded and reproduced its golden frames, and the service does not stop."""
    return Ready(**own.readiness())


@router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
async def measured(own: Service) -> Response:
    """Prometheus' text format."""
    return Response(own.metrics.collect(), media_type=metrics.CONTENT_TYPE)


def _unless_known(request: Request, headers: dict[str, str]) -> Response | None:
    """304 where the client has the very thing already."""
    known = request.headers.get("if-none-match", "")
    if known == "*" or headers["ETag"] in (each.strip().removeprefix("W/") for each in known.split(",")):
        return Response(None, 304, headers)
    return None
