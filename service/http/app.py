"""The application, put together from its parts: ``uvicorn --factory service.http.app:create_app``."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from service import budget, log
from service.feedback import Feedback
from service.http import docs, routes, stream, v2
from service.http.body import FORM_LIMITS
from service.http.middleware import Envelope
from service.http.page import Page
from service.http.state import Buffer, State
from service.inference.queue import InferenceQueue
from service.metrics import Metrics
from service.models.registry import RegistrySource
from service.models.source import FolderSource, Source
from service.models.watcher import Watcher
from service.models.workspace import Workspace
from service.problems import MEDIA_TYPE, ProblemDetails
from service.settings import Settings, read

DESCRIPTION: Final = (
    "Says what is in a picture: one of the labels of the served model, or none of these. "
    "Live pictures go over the WebSocket `/stream`: binary frames in, one answer each, the newest frame wins."
)
PROBLEM: Final = {
    "model": ProblemDetails,
    "description": "a problem; /docs lists the kinds",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}},
}

GiveUp = Callable[[str], None]


def create_app(
    settings: Settings | None = None, give_up: GiveUp | None = None, source: Source | None = None
) -> FastAPI:
    """The whole application.

    Args:
        settings: from the environment, if not given.
        give_up: called with the reason where the service can't go on; without it, that is logged.
        source: where models come from, if not from where ``settings`` say.
    """
    settings = settings or read()
    app = FastAPI(
        title="art-text-plant",
        description=DESCRIPTION,
        version="2",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(settings, give_up or _log_only, source),
        responses={"default": PROBLEM},
        exception_handlers={HTTPException: _pass_on, RequestValidationError: _pass_on},
    )
    for router in (routes.router, routes.open_router, v2.router, v2.open_router, stream.router, docs.router):
        app.include_router(router)
    if settings.feedback is not None:
        app.state.feedback = Feedback(settings.feedback, settings)
        app.include_router(routes.feedback_router, form_limits=FORM_LIMITS)
    app.mount("/docs/", docs.ASSETS)
    app.router.default = Page(directory=settings.page, check_dir=False)  # a mount at / would hide other methods
    _complete_document(app)
    app.state.metrics = Metrics()
    app.state.entrance = ""  # path of the page, after the address
    app.add_middleware(Envelope, settings=settings)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
            expose_headers=["ETag", "Retry-After", "X-Feedback", "X-Request-ID"],
        )
    return app


def _lifespan(settings: Settings, give_up: GiveUp, given: Source | None) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        budget.limit_arenas()
        metrics: Metrics = app.state.metrics
        queue = InferenceQueue(settings, metrics)
        source = given or (RegistrySource(settings) if settings.registered else FolderSource(Path(settings.model)))
        with Workspace() as workspace:
            watcher = Watcher(source, workspace, queue, metrics, settings, give_up)
            state = State(settings, metrics, queue, watcher, Buffer(settings.buffer_bytes), asyncio.get_running_loop())
            metrics.streams.set_function(lambda: len(state.streams))
            app.state.service = state
            watching = asyncio.create_task(watcher.run())
            try:
                yield
            finally:
                watching.cancel()
                queue.close()

    return lifespan


def _log_only(why: str) -> None:
    log.event(logging.ERROR, "the service can't go on", why=why)


async def _pass_on(_: Request, error: Exception) -> Response:
    raise error  # `Envelope` answers


def _complete_document(app: FastAPI) -> None:
    """Say in the document that the key is needed only where one is set; the rest follows from the types."""
    generate = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:  # it is kept, and so is what is changed here
            for operation in (each for path in generate()["paths"].values() for each in path.values()):
                if "security" in operation:
                    operation["security"].insert(0, {})
        return generate()

    app.openapi = complete  # type: ignore[method-assign]  # FastAPI's own way of extending the document
