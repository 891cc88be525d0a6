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
from starlette.requests import ClientDisconnect

from service import log, quota
from service.http import docs, page, problems, routes, stream, v2
from service.http.body import Buffer
from service.http.middleware import Envelope
from service.http.problems import Problem, ProblemDetails
from service.http.state import State
from service.inference.queue import InferenceQueue
from service.metrics import Metrics
from service.models.folder import FolderSource
from service.models.registry import RegistrySource
from service.models.source import Source
from service.models.watcher import Watcher
from service.models.workspace import Workspace
from service.settings import Settings, read

TITLE: Final = "art-text-plant"
DESCRIPTION: Final = (
    "Says what is in a picture: one of the labels of the served model, or none of these. "
    "Live pictures go over the WebSocket `/stream`: binary frames in, one answer each, the newest frame wins."
)
VERSION: Final = "2"
OPEN: Final = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")  # need no key

GiveUp = Callable[[str], None]


def create_app(settings: Settings | None = None, give_up: GiveUp | None = None) -> FastAPI:
    """The whole application.

    Args:
        settings: from the environment, if not given.
        give_up: called with the reason where the service can't go on; without it, that is logged.
    """
    settings = settings or read()
    app = FastAPI(
        title=TITLE,
        description=DESCRIPTION,
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(settings, give_up or _log_only),
    )
    app.include_router(routes.router)
    app.include_router(v2.router)
    app.include_router(stream.router)
    app.include_router(docs.router)
    app.mount("/docs/", docs.ASSETS)
    app.router.default = page.Page(settings.page)  # a mount at / would hide that an address takes other methods
    _explain_errors(app)
    _complete_document(app)
    metrics = app.state.metrics = Metrics()
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
            expose_headers=["ETag", "Retry-After", "X-Request-ID"],
        )
    app.add_middleware(Envelope, metrics=metrics, hosts=settings.allowed_hosts)
    return app


def _lifespan(settings: Settings, give_up: GiveUp) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        metrics: Metrics = app.state.metrics
        queue = InferenceQueue(
            limit=settings.queue,
            threads=settings.threads or quota.cores(),
            deadline_s=settings.deadline_s,
            address_share=settings.address_share,
            metrics=metrics,
        )
        with Workspace() as workspace:
            watcher = Watcher(
                _source(settings, workspace),
                workspace,
                queue,
                metrics,
                variant=settings.variant,
                poll_s=settings.poll_s,
                give_up=give_up,
            )
            app.state.service = State(settings, metrics, queue, watcher, Buffer(settings.buffer_bytes))
            tasks = [asyncio.create_task(watcher.run()), asyncio.create_task(_end_if_stuck(queue, give_up))]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                queue.close()

    return lifespan


async def _end_if_stuck(queue: InferenceQueue, give_up: GiveUp) -> None:
    await queue.watch()
    give_up("a picture never ends; the service ends, so that it is started again")


def _log_only(why: str) -> None:
    log.event(logging.ERROR, "the service can't go on", why=why)


def _source(settings: Settings, workspace: Workspace) -> Source:
    if settings.registered:
        return RegistrySource(settings, workspace)
    return FolderSource(Path(settings.model), workspace)


def _complete_document(app: FastAPI) -> None:
    """Add what all addresses share; the rest follows from the types."""
    generate = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = generate()
            components = document["components"]
            for model in (ProblemDetails, v2.InferRequest):  # which no route has in its signature
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                components["schemas"] |= schema.pop("$defs", {}) | {schema["title"]: schema}
            for unused in (
                "HTTPValidationError",
                "ValidationError",
            ):  # the framework's, which we never answer
                components["schemas"].pop(unused, None)
            scheme = {"type": "http", "scheme": "bearer", "description": "the API key, where one is set"}
            components["securitySchemes"] = {"key": scheme}
            for path, operations in document["paths"].items():
                for operation in operations.values():
                    operation["security"] = [] if path in OPEN else [{}, {"key": []}]
                    if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                        del operation["responses"]["422"]  # the framework's own; ours is 400
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]  # FastAPI's own way of extending the document


def _explain_errors(app: FastAPI) -> None:
    """Tell of every error in the one shape."""

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return problems.response(error, request)

    async def status(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return problems.response(problems.of_status(error), request)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        said = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()[:3])
        return problems.response(Problem(problems.BAD_REQUEST, said), request)

    async def gone(request: Request, _: Exception) -> Response:
        request.scope["state"]["outcome"] = "disconnected"
        return Response()  # nobody reads it

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(HTTPException, status)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(ClientDisconnect, gone)
