"""The second port: health and metrics alone, on a thread and an event loop of their own.

So they answer while the main listener is flooded, and /healthz can tell whether the main event loop still turns.
"""

import asyncio
import socket
import threading
from typing import Final

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from service import metrics
from service.problems import MEDIA_TYPE, NOT_READY, Problem

ALIVE_WITHIN_S: Final = 5.0  # an event loop that does not turn for so long is not alive
CONNECTIONS: Final = 32


class Probes:
    """A server for probes in a thread."""

    def __init__(self, app: FastAPI, listening: socket.socket) -> None:
        """Start it; call it in the event loop of ``app``."""
        self._app = app
        self._loop = asyncio.get_running_loop()
        routes = [Route("/healthz", self._alive), Route("/readyz", self._ready), Route("/metrics", self._metrics)]
        config = uvicorn.Config(
            Starlette(routes=routes),
            log_config=None,
            access_log=False,
            lifespan="off",
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=0,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name="probes", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join(1)

    async def _alive(self, _: Request) -> Response:
        turn = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop)
        try:
            await asyncio.wait_for(asyncio.wrap_future(turn), ALIVE_WITHIN_S)
        except (TimeoutError, RuntimeError):
            return JSONResponse({"alive": False}, 503)
        return JSONResponse({"alive": True})

    async def _ready(self, _: Request) -> Response:
        service = getattr(self._app.state, "service", None)
        try:
            if service is None:
                raise Problem(NOT_READY, "the service starts")
            return JSONResponse(service.readiness())
        except Problem as problem:
            details = problem.details("").model_dump()
            return JSONResponse(details, problem.kind.status, problem.headers, MEDIA_TYPE)

    async def _metrics(self, _: Request) -> Response:
        return Response(self._app.state.metrics.collect(), media_type=metrics.CONTENT_TYPE)
