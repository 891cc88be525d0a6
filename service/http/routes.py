"""Pictures in, answers out; the model; how the service is."""

import hashlib
import mimetypes
from pathlib import PurePath
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BaseModel, Field

import bundle
from bundle.answer import Answer
from bundle.engine import Engine
from bundle.manifest import Manifest
from service import metrics
from service.http import body, state
from service.http.auth import need_key
from service.http.state import Service, State
from service.inference.identify import identify as infer
from service.problems import NOT_FOUND, Problem

FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"  # a cache may keep it, but has to ask whether it is still the same
MEDIA: Final = {".md": "text/markdown; charset=utf-8", ".html": "text/html; charset=utf-8"}

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

Name = Annotated[str, Path(description="as the manifest lists it", examples=["model.onnx"])]
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


class Markdown(Response):
    """The model card."""

    media_type = "text/markdown; charset=utf-8"


class AnyFile(FileResponse):
    """A file of the bundle."""

    media_type = "*/*"


class Measured(Response):
    """Prometheus' text format."""

    media_type = metrics.CONTENT_TYPE


CACHED: Final[dict[int | str, dict[str, Any]]] = {304: {"description": "the client has it already (If-None-Match)"}}

open_router = APIRouter()  # without a key
router = APIRouter(dependencies=[Depends(need_key)])


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
    content_type = request.headers.get("content-type", "")
    is_form = content_type.strip().lower().startswith("multipart/form-data")  # else the picture says itself what it is

    def job(model: Engine, waited: float) -> Answer:
        picture = body.picture(data, content_type) if is_form else data
        return infer(picture, model, waited, memory=own.settings.decode_bytes, metrics=own.metrics, explain=explain)

    async with body.read(request, own.settings, own.buffer) as data:
        answer: Answer = await own.queue.run(job, state.client_of(request.scope))
    return Response(answer.model_dump_json(by_alias=True, exclude_unset=True), media_type="application/json")


@router.get("/model", summary="The manifest of the served model", response_model=Manifest, responses=CACHED)
async def model(request: Request, own: Service) -> Response:
    """Labels, input, figures, lineage, sha256 of every file."""
    manifest = own.queue.served().bundle.path(bundle.MANIFEST).read_bytes()
    headers = {"ETag": f'"{hashlib.sha256(manifest).hexdigest()}"', "Cache-Control": ASK_AGAIN}
    return _unless_known(request, headers) or Response(manifest, 200, headers, "application/json")


@router.get("/model/card", summary="The model card", response_class=Markdown, responses=CACHED)
async def card(request: Request, own: Service) -> Response:
    """What the model is for, what it saw, how it fails. Markdown."""
    return _file(request, own, "MODEL_CARD.md", None)


@router.get("/model/card.html", summary="The model card, as HTML", response_class=HTMLResponse, responses=CACHED)
async def card_html(request: Request, own: Service) -> Response:
    """The same as a fragment of HTML, without head, scripts or styles; older bundles have none."""
    return _file(request, own, "MODEL_CARD.html", None)


@router.get("/model/{name:path}", summary="A file of the served model", response_class=AnyFile, responses=CACHED)
async def file(request: Request, own: Service, name: Name, sha256: Sha256 = None) -> Response:
    """A file of the bundle, as the manifest names it: model.onnx, model.int8.onnx, golden/….

    With `?sha256=` of the manifest it may be cached for ever, and a swap in between is noticed; without, a cache has to
    ask each time (ETag).
    """
    return _file(request, own, name, sha256)


@open_router.get("/healthz", summary="Alive?")
async def healthz() -> dict[str, bool]:
    """This process answers."""
    return {"alive": True}


@open_router.get("/readyz", summary="Ready?")
async def readyz(own: Service) -> Ready:
    """A model is loaded and reproduced its golden frames, and the service does not stop."""
    return Ready(**own.readiness())


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Measured)
async def measured(own: Service) -> Response:
    """Prometheus' text format."""
    return Measured(own.metrics.collect())


def _file(request: Request, own: State, name: str, sha256: str | None) -> Response:
    bundle = own.queue.served().bundle
    entry = bundle.manifest.files.get(name)
    if entry is None:
        raise Problem(NOT_FOUND, f"the model {bundle.manifest.version} has no such file; /model lists them all")
    if sha256 not in (None, entry.sha256):
        raise Problem(NOT_FOUND, f"{name} is another one by now (a new model was taken over); ask /model again")
    headers = {"ETag": f'"{entry.sha256}"', "Cache-Control": FOREVER if sha256 else ASK_AGAIN, "Accept-Ranges": "none"}
    media = MEDIA.get(PurePath(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return _unless_known(request, headers) or FileResponse(bundle.path(name), 200, headers, media)


def _unless_known(request: Request, headers: dict[str, str]) -> Response | None:
    """304 where the client has the very thing already."""
    known = request.headers.get("if-none-match", "")
    if known == "*" or headers["ETag"] in (each.strip().removeprefix("W/") for each in known.split(",")):
        return Response(None, 304, headers)
    return None
