"""The second port: health and metrics alone, on a thread and an event loop of their own.

So they answer while the main listener is flooded; `/healthz` asks the main event loop whether it still turns.
"""

import socket
import threading
from typing import Final

import uvicorn
from fastapi import FastAPI

from service.http import routes

CONNECTIONS: Final = 32


def serve(app: FastAPI, listening: socket.socket) -> None:
    """Answer for ``app`` until the process ends; before it has started, 500."""
    probes = FastAPI(openapi_url=None)
    probes.state = app.state
    probes.include_router(routes.open_router)
    probes.add_api_route("/metrics", routes.measured)
    config = uvicorn.Config(probes, log_config=None, access_log=False, lifespan="off", limit_concurrency=CONNECTIONS)
    thread = threading.Thread(target=uvicorn.Server(config).run, args=([listening],), name="probes", daemon=True)
    thread.start()
