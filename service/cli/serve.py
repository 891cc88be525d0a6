"""The command ``serve``: one process, uvicorn around the application, a second port for probes where one is set.

Nothing restarts it when it ends: that is for whoever starts it (a container engine, systemd, Kubernetes).
"""

import asyncio
import logging
import os
import socket
import sys
from contextlib import suppress
from types import FrameType
from typing import Final

import uvicorn
import uvloop

from bundle.errors import UserError
from service import log
from service.http import protocol
from service.http.app import create_app
from service.http.probes import Probes
from service.http.state import State
from service.models.workspace import Workspace
from service.settings import Settings

BACKLOG: Final = 1_024
READY_S: Final = 0.05  # how often to look whether the first model is there


class Server(uvicorn.Server):
    """uvicorn's, which drains before it stops: not ready any more for DRAIN_S, but all is still answered."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self.drain_s = settings.drain_s
        self.status = 0
        self._draining = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        """SIGTERM or SIGINT: drain; the second time end at once."""
        if self._draining:
            self.should_exit = self.force_exit = True
        else:
            asyncio.get_running_loop().call_soon_threadsafe(self.drain, self.drain_s)

    def drain(self, seconds: float) -> None:
        """Stop after ``seconds``."""
        self._draining = True
        log.event(logging.INFO, "stopping")
        state: State | None = getattr(self.config.app.state, "service", None)  # type: ignore[union-attr]  # a FastAPI
        if state is not None:
            state.drain()
        asyncio.get_running_loop().call_later(seconds, self._exit)

    def give_up(self, why: str) -> None:
        """The service can't go on."""
        print(f"error: {why}", file=sys.stderr, flush=True)
        self.status = 1
        self.drain(0)

    def _exit(self) -> None:
        self.should_exit = True


def main(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit status.

    Raises:
        UserError: the address can't be listened on, or nothing can be written.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # what numpy computes here is small
    log.set_up(settings.log_level)
    with Workspace():
        pass  # said here in one sentence if nothing can be written; the application's own comes as it starts
    with listen(settings.bind, settings.port, "PORT") as listening:
        probing = None
        if settings.probe_port is not None:
            probing = listen(settings.bind, settings.probe_port, "PROBE_PORT")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(settings, listening, probing))


async def _serve(settings: Settings, listening: socket.socket, probing: socket.socket | None) -> int:
    server: Server | None = None

    def give_up(why: str) -> None:
        assert server is not None
        server.give_up(why)

    app = create_app(settings, give_up)
    http, websocket = protocol.limited(settings, app.state.metrics)
    config = uvicorn.Config(
        app,
        http=http,
        ws=websocket,
        log_config=None,
        access_log=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        server_header=False,
        backlog=BACKLOG,
        ws_max_size=settings.frame_bytes,
        ws_ping_interval=settings.ping_s,
        ws_ping_timeout=settings.ping_s,
        ws_per_message_deflate=False,  # pictures are compressed, and a bomb would be one of our own making
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.grace_s,
    )
    server = Server(config, settings)
    probes = Probes(app, probing) if probing else None
    saying = asyncio.create_task(_say(app.state, listening))
    try:
        await server.serve(sockets=[listening])
    finally:
        saying.cancel()
        if probes:
            probes.stop()
    return server.status


async def _say(app_state: object, listening: socket.socket) -> None:
    """Print one line once the first model is served."""
    while True:
        state: State | None = getattr(app_state, "service", None)
        if state is not None and state.queue.model is not None:
            break
        await asyncio.sleep(READY_S)
    with suppress(OSError):  # nobody reads our stdout
        print(f"{url(listening)} serves {state.queue.model.version}", flush=True)


def listen(address: str, port: int, setting: str) -> socket.socket:
    """A listening TCP socket.

    Raises:
        UserError: the address or port can't be had; names the ``setting``.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=BACKLOG, dualstack_ipv6=address == "::")
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise UserError(
            f"{address} port {port} can't be listened on ({why}); stop who does, or set {setting} or BIND"
        ) from error


def url(listening: socket.socket) -> str:
    """What a browser on this machine opens."""
    address, port, *_ = listening.getsockname()
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, f"[{address}]" if ":" in address else address)
    return f"http://{host}:{port}"
