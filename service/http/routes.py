"""Pictures in, answers out; the model; how the service is."""

import mimetypes
from functools import partial
from pathlib import PurePath
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BaseModel, Field

from bundle.answer import Answer
from bundle.manifest import Manifest
from service import metrics
from service.http import body, form, state
from service.http.auth import NeedsKey
from service.http.problems import (
    BAD_REQUEST,
    MEDIA_TYPE,
    NOT_FOUND,
    NOT_READY,
    OVERLOADED,
    TIMEOUT,
    TOO_LARGE,
    TOO_LATE,
    UNAUTHORIZED,
    UNSUPPORTED,
    UNUSABLE,
    Kind,
    Problem,
    of_not_inferred,
)
from service.inference.errors import NotInferred
from service.inference.identify import identify as infer
from service.inference.model import LoadedModel
from service.settings import Settings

FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"  # a cache may keep it, but has to ask whether it is still the same
CARD: Final = "MODEL_CARD.md"
CARD_HTML: Final = "MODEL_CARD.html"
MEDIA: Final = {".md": "text/markdown; charset=utf-8", ".html": "text/html; charset=utf-8"}

_FILE: Final = {"type": "string", "format": "binary"}
_PICTURE: Final = {
    "requestBody": {
        "required": True,
        "description": "a picture (JPEG, PNG or WebP, told by its content), as form field `image` or as the body",
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": [form.FIELD], "properties": {form.FIELD: _FILE}}
            },
            **{f"image/{name}": {"schema": _FILE} for name in ("jpeg", "png", "webp")},
        },
    }
}

Name = Annotated[str, Path(description="as the manifest lists it", examples=["model.onnx"])]
Sha256 = Annotated[
    str | None,
    Query(
        pattern="^[0-9a-f]{64}$",
        description="of the file, from the manifest; then the answer may be cached for ever",
    ),
]
Explain = Annotated[bool, Query(description="also say where in the frame the label shows (`evidence`); 1 or 0")]


class Alive(BaseModel):
    """The process answers."""

    alive: bool = True


class Ready(BaseModel):
    """A model is loaded and reproduced its golden frames."""

    ready: bool = True
    model: str = Field(description="version of the model")
    trouble: str | None = Field(
        description="why a newer model was not taken over, if so: unreachable, absent, damaged, unwritable or refused; "
        "the log says more"
    )


def problems(*kinds: Kind, cached: bool = False) -> dict[int | str, dict[str, Any]]:
    """The part of a route's description that tells what may come instead of an answer."""
    told: dict[int | str, dict[str, Any]] = {}
    if cached:
        told[304] = {"description": "the client has it already (If-None-Match)"}
    for kind in kinds:
        titles = [other.title for other in kinds if other.status == kind.status]
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        told[kind.status] = {"description": "; or ".join(titles), "content": content}
    return told


router = APIRouter()


@router.post(
    "/identify",
    summary="What is in this picture?",
    response_model=Answer,
    response_model_exclude_unset=True,
    responses=problems(
        BAD_REQUEST, UNAUTHORIZED, TIMEOUT, TOO_LARGE, UNSUPPORTED, UNUSABLE, OVERLOADED, TOO_LATE, NOT_READY
    ),
    openapi_extra=_PICTURE,
)
async def identify(request: Request, _: NeedsKey, explain: Explain = False) -> Any:
    """A label, or null for none of these.

    curl -F image=@photo.jpg http://127.0.0.1:8000/identify
    curl -H 'Content-Type: image/jpeg' --data-binary @photo.jpg http://127.0.0.1:8000/identify
    """
    own, client = state.of(request), state.client_of(request)
    try:
        own.queue.check(client)
    except NotInferred as error:
        raise of_not_inferred(error) from error
    content_type = request.headers.get("content-type", "")
    media = content_type.partition(";")[0].strip().lower()
    is_form = media == "multipart/form-data"
    if not is_form and media and not media.startswith("image/") and media != "application/octet-stream":
        raise Problem(
            UNSUPPORTED,
            f"{media[:60]!a} is not taken: send the picture as image/jpeg, image/png or image/webp, "
            f"or as form field `{form.FIELD}`",
        )
    settings = own.settings
    async with body.read(
        request, limit=settings.body_bytes, timeout_s=settings.body_timeout_s, buffer=own.buffer
    ) as data:
        job = partial(_identify, data, content_type if is_form else None, settings, explain)
        answer = await own.identify(job, client)
    return Response(answer.model_dump_json(by_alias=True, exclude_unset=True), media_type="application/json")


def _identify(
    data: bytes, form_type: str | None, settings: Settings, explain: bool, model: LoadedModel, waited: float
) -> Answer:
    picture = data if form_type is None else form.picture(data, form_type)
    return infer(picture, model, waited, settings=settings, explain=explain)


@router.get(
    "/model",
    summary="The manifest of the served model",
    response_model=Manifest,
    responses=problems(UNAUTHORIZED, NOT_READY, cached=True),
)
async def model(request: Request, _: NeedsKey) -> Response:
    """Labels, input, figures, lineage, sha256 of every file."""
    served = state.of(request).model
    headers = {"ETag": f'"{served.manifest_hash}"', "Cache-Control": ASK_AGAIN}
    if _is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(served.manifest, media_type="application/json", headers=headers)


@router.get(
    "/model/card",
    summary="The model card",
    response_class=Response,
    responses={
        200: {"content": {"text/markdown; charset=utf-8": {"schema": {"type": "string"}}}},
        **problems(UNAUTHORIZED, NOT_FOUND, NOT_READY, cached=True),
    },
)
async def card(request: Request, _: NeedsKey) -> Response:
    """What the model is for, what it saw, how it fails. Markdown."""
    return _file(request, CARD, None)


@router.get(
    "/model/card.html",
    summary="The model card, as HTML",
    response_class=HTMLResponse,
    responses=problems(UNAUTHORIZED, NOT_FOUND, NOT_READY, cached=True),
)
async def card_html(request: Request, _: NeedsKey) -> Response:
    """The same as a fragment of HTML, without head, scripts or styles; older bundles have none."""
    return _file(request, CARD_HTML, None)


@router.get(
    "/model/{name:path}",
    summary="A file of the served model",
    response_class=Response,
    responses={
        200: {"description": "the file", "content": {"*/*": {"schema": _FILE}}},
        **problems(BAD_REQUEST, UNAUTHORIZED, NOT_FOUND, NOT_READY, cached=True),
    },
)
async def file(request: Request, _: NeedsKey, name: Name, sha256: Sha256 = None) -> Response:
    """A file of the bundle, as the manifest names it: model.onnx, model.int8.onnx, golden/….

    With `?sha256=` of the manifest it may be cached for ever, and a swap in between is noticed; without, a cache has to
    ask each time (ETag).
    """
    return _file(request, name, sha256)


@router.get("/healthz", summary="Alive?")
async def healthz() -> Alive:
    """This process answers."""
    return Alive()


@router.get("/readyz", summary="Ready?", responses=problems(NOT_READY))
async def readyz(request: Request) -> Ready:
    """A model is loaded and reproduced its golden frames, and the service does not stop."""
    return Ready(**state.of(request).readiness())


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {metrics.CONTENT_TYPE: {"schema": {"type": "string"}}}},
        **problems(UNAUTHORIZED),
    },
)
async def measured(request: Request, _: NeedsKey) -> Response:
    """Prometheus' text format."""
    return Response(state.of(request).metrics.collect(), media_type=metrics.CONTENT_TYPE)


def _file(request: Request, name: str, sha256: str | None) -> Response:
    bundle = state.of(request).model.bundle
    entry = bundle.manifest.files.get(name)
    if entry is None:
        raise Problem(NOT_FOUND, f"the model {bundle.manifest.version} has no such file; /model lists them all")
    if sha256 not in (None, entry.sha256):
        raise Problem(NOT_FOUND, f"{name} is another one by now (a new model was taken over); ask /model again")
    headers = {"ETag": f'"{entry.sha256}"', "Cache-Control": FOREVER if sha256 else ASK_AGAIN}
    if _is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    media = MEDIA.get(PurePath(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return FileResponse(bundle.path(name), headers=headers | {"Accept-Ranges": "none"}, media_type=media)


def _is_known(request: Request, etag: str) -> bool:
    """Whether the client has the very thing already."""
    known = request.headers.get("if-none-match", "")
    return known == "*" or etag in (each.strip().removeprefix("W/") for each in known.split(","))
