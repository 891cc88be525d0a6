"""The application of one worker, put together from its parts."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

from service import api, problems, reference, schemas
from service.envelope import Envelope
from service.page import Page
from service.problems import Problem
from service.state import State

TITLE: Final = "art-text-plant"
DESCRIPTION: Final = (
    "Says what is in a picture: one of the labels of the served model, or none of these. "
    "Live pictures go over the WebSocket /stream: binary frames in, one answer each, the newest frame wins."
)
VERSION: Final = "1"


def create(state: State) -> ASGIApp:
    """The whole application, for the ``state`` of a worker."""
    app = FastAPI(
        title=TITLE,
        description=DESCRIPTION,
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(api.router(state))
    app.add_api_route("/docs", _docs(app), include_in_schema=False)
    app.router.default = Page(state)
    _explain_errors(app)
    _complete_document(app)
    if state.settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=state.settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
            expose_headers=["ETag", "Retry-After", "X-Request-ID"],
        )
    return Envelope(app, state.metrics, lambda: state.version)


def _docs(app: FastAPI) -> Callable[[], Awaitable[HTMLResponse]]:
    async def docs() -> HTMLResponse:
        return HTMLResponse(reference.render(app.openapi()))

    return docs


def _complete_document(app: FastAPI) -> None:
    generate = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = schemas.complete(generate())
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

    async def internal(request: Request, _: Exception) -> Response:
        detail = "this is a fault of the service; its log has the request id"
        return problems.response(Problem(problems.INTERNAL, detail), request)

    app.add_exception_handler(Problem, problem)
    app.add_exception_handler(HTTPException, status)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, internal)
