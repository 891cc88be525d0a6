"""The addresses of the service, but for the page: pictures in, answers out; the model; how it is."""

import asyncio
import logging
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response, WebSocket
from fastapi.responses import JSONResponse

from bundle.errors import PictureError
from service import form, limits, log, metrics, schemas, stream
from service.page import WholeFile
from service.problems import NOT_FOUND, NOT_READY, UNSUPPORTED, Problem, of_picture
from service.state import State
from service.stream import Stream

FOREVER: Final = "public, max-age=31536000, immutable"
ASK_AGAIN: Final = "no-cache"  # a cache may keep it, but has to ask whether it is still the same


def router(state: State) -> APIRouter:
    """All routes, for the ``state`` of a worker."""
    api = APIRouter()

    def key(request: Request) -> None:
        state.check_key(request)

    needs_key = [Depends(key)]

    @api.post("/identify", dependencies=needs_key, **schemas.IDENTIFY)
    async def identify(request: Request) -> Response:
        """Say what is in a picture: a label, or null for none of these."""
        state.line.check()
        content_type = request.headers.get("content-type", "")
        media = content_type.partition(";")[0].strip().lower()
        is_form = media == "multipart/form-data"
        if not is_form and media and not media.startswith("image/") and media != "application/octet-stream":
            raise Problem(
                UNSUPPORTED,
                f"{media[:60]!a} is not taken: send the picture as image/jpeg, image/png or image/webp, "
                f"or as form field `{form.FIELD}`",
            )
        settings = state.settings
        async with limits.body(
            request, limit=settings.body_bytes, timeout_s=settings.body_timeout_s, buffer=state.buffer
        ) as body:
            try:
                answer = await state.line.answer(form.picture(body, content_type) if is_form else body)
            except PictureError as error:
                raise of_picture(error) from error
        return JSONResponse(answer.to_json())

    @api.websocket("/stream")
    async def frames(websocket: WebSocket) -> None:
        offered = websocket.scope.get("subprotocols", ())
        await websocket.accept(stream.SUBPROTOCOL if stream.SUBPROTOCOL in offered else None)
        if refusal := _refusal(websocket):
            return await stream.close(websocket, *refusal)
        one = Stream(websocket, state)
        state.enter(one)
        try:
            await one.run()
        finally:
            state.leave(one)
            request_id = websocket.scope["state"].get("request_id")
            log.event(logging.INFO, "stream", request_id=request_id, model=state.version, **one.summary)

    def _refusal(websocket: WebSocket) -> tuple[int, str] | None:
        if not state.is_welcome(websocket):
            return 1008, "this page may not use the service; its origin must be in CORS_ORIGINS"
        try:
            state.check_key(websocket)
        except Problem:
            return 3000, "an API key is needed, as subprotocol key.KEY beside identify.v1"
        if state.draining:
            return 1012, "the service restarts; connect again in a second"
        if state.board.streams >= state.settings.streams:
            return 1013, "too many streams are open; try again later"
        return None

    @api.get("/model", dependencies=needs_key, **schemas.MODEL)
    async def model(request: Request) -> Response:
        """The manifest of the served model: labels, input, figures, lineage, sha256 of every file."""
        served = state.served
        headers = {"ETag": f'"{served.manifest_hash}"', "Cache-Control": ASK_AGAIN}
        if _knows(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(served.manifest, media_type="application/json", headers=headers)

    @api.get("/model/card", dependencies=needs_key, **schemas.CARD)
    async def card(request: Request) -> Response:
        """The model card: what the model is for, what it saw, how it fails. Markdown."""
        return _file(state, request, schemas.CARD_FILE, None)

    @api.get("/model/{name:path}", dependencies=needs_key, **schemas.FILE)
    async def file(
        request: Request,
        name: Annotated[str, Path(description="as the manifest lists it", examples=["model.onnx"])],
        sha256: Annotated[str | None, Query(pattern="^[0-9a-f]{64}$", description=schemas.SHA256)] = None,
    ) -> Response:
        """A file of the bundle, as the manifest names it: model.onnx, model.int8.onnx, golden/….

        With ``?sha256=`` of the manifest it may be cached for ever, and a swap in between is noticed; without, a
        cache has to ask each time (ETag).
        """
        return _file(state, request, name, sha256)

    @api.get("/healthz", **schemas.HEALTHZ)
    async def healthz() -> Response:
        """Alive: this process answers."""
        return JSONResponse({"alive": True})

    @api.get("/readyz", **schemas.READYZ)
    async def readyz() -> Response:
        """Ready: a model is loaded and reproduced its golden frames, and the service does not stop."""
        if state.draining:
            raise Problem(NOT_READY, "the service stops; ask another one")
        return JSONResponse({"ready": True, "model": state.served.version, "trouble": state.trouble or None})

    @api.get("/metrics", dependencies=needs_key, **schemas.METRICS)
    async def measured() -> Response:
        """Metrics of all workers, in Prometheus' text format."""
        return Response(await asyncio.to_thread(state.metrics.collect), media_type=metrics.CONTENT_TYPE)

    return api


def _file(state: State, request: Request, name: str, sha256: str | None) -> Response:
    bundle = state.served.bundle
    entry = bundle.manifest.files.get(name)
    if entry is None:
        raise Problem(
            NOT_FOUND, f"the model {bundle.manifest.version} has no such file; /model lists them all"
        )
    if sha256 not in (None, entry.sha256):
        raise Problem(
            NOT_FOUND, f"{name} is another one by now (a new model was taken over); ask /model again"
        )
    headers = {"ETag": f'"{entry.sha256}"', "Cache-Control": FOREVER if sha256 else ASK_AGAIN}
    if _knows(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return WholeFile(bundle.path(name), headers=headers, media_type=schemas.media_type(name))


def _knows(request: Request, etag: str) -> bool:
    """Whether the client has the very thing already."""
    known = request.headers.get("if-none-match", "")
    return known == "*" or etag in (each.strip().removeprefix("W/") for each in known.split(","))
