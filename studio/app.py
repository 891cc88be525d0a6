"""The service's application with the studio's routes."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import Depends, FastAPI, Request, Response

from pipeline.core.errors import PipelineError
from service.http.app import GiveUp, create_app
from service.settings import Settings
from studio import draft, routes
from studio.errors import StudioError
from studio.guard import Guard, Sign
from studio.live import Studio
from studio.review import routes as review
from studio.source import DraftFirst


def maker(studio: Studio, guard: Guard) -> Callable[[Settings, GiveUp], FastAPI]:
    """What makes the application of `service.cli.serve.main`."""

    def make(settings: Settings, give_up: GiveUp) -> FastAPI:
        app = create_app(settings, give_up, DraftFirst(studio.promoted, draft.FOLDER))
        app.state.studio, app.state.guard, app.state.entrance = studio, guard, guard.entrance
        app.include_router(routes.open_router)
        for router in (routes.router, review.router):
            app.include_router(router, dependencies=[Depends(guard)])
        for kind in (StudioError, PipelineError):
            app.add_exception_handler(kind, _told)
        app.add_middleware(Sign)
        app.router.lifespan_context = _with_studio(app.router.lifespan_context, studio)
        return app

    return make


async def _told(_: Request, error: Exception) -> Response:  # the service's middleware makes the answer
    assert isinstance(error, StudioError | PipelineError)
    raise routes.problem_of(error) from error


def _with_studio(
    inner: Callable[[FastAPI], AbstractAsyncContextManager[object]], studio: Studio
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with inner(app), studio.open(app.state.service.watcher.look_now):
            yield

    return lifespan
