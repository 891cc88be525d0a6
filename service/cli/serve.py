"""The command ``serve``: one process, uvicorn around the application, a second port for probes where one is set.

Nothing restarts it when it ends: that is for whoever starts it (a container engine, systemd, Kubernetes).
"""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from bundle.errors import UserError
from service import log
from service.http import protocol
from service.http.app import GiveUp, create_app
from service.http.probes import Probes
from service.models.workspace import Workspace
from service.settings import Settings

BACKLOG: Final = 1_024
KEEP_ALIVE_S: Final = 15  # how long a connection may be idle
PING_S: Final = 10.0  # a /stream that answers no ping for so long is closed
READY_S: Final = 0.05  # how often to look whether the first model is there

Make = Callable[[Settings, GiveUp], FastAPI]


class Server(uvicorn.Server):
    """uvicorn's, which drains before it stops: not ready any more for DRAIN_S, but all is still answered."""

    def __init__(self, settings: Settings, make: Make) -> None:
        self.status = 0
        self._draining = False
        self._settings = settings
        self.application = make(settings, self.give_up)
        http, websocket = protocol.limited(settings, self.application.state.metrics)
        config = uvicorn.Config(
            self.application,
            http=http,
            ws=websocket,
            log_config=None,
            access_log=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
            server_header=False,
            ws_max_size=settings.frame_bytes,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            ws_per_message_deflate=False,  # pictures are compressed, and a bomb would be one of our own making
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=settings.grace_s,
        )
        super().__init__(config)
        self.application.state.metrics.connections.set_function(lambda: len(self.server_state.connections))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002  # uvicorn's signature
        """SIGTERM or SIGINT: drain; the second time end at once."""
        if self._draining:
            self.should_exit = self.force_exit = True
        else:
            asyncio.get_running_loop().call_soon_threadsafe(self.drain, self._settings.drain_s)

    def drain(self, seconds: float) -> None:
        """Stop after ``seconds``."""
        self._draining = True
        log.event(logging.INFO, "stopping")
        if state := getattr(self.application.state, "service", None):
            state.drain()
        asyncio.get_running_loop().call_later(seconds, setattr, self, "should_exit", True)

    def give_up(self, why: str) -> None:
        """The service can't go on."""
        print(f"error: {why}", file=sys.stderr, flush=True)
        self.status = 1
        self.drain(0)

    async def say(self, listening: socket.socket) -> None:
        """Print one line once the first model is served."""
        state = self.application.state
        while not hasattr(state, "service") or state.service.queue.model is None:
            await asyncio.sleep(READY_S)
        with suppress(OSError):  # nobody reads our stdout
            print(f"{url(listening)}{state.entrance} serves {state.service.queue.model.version}", flush=True)


def main(settings: Settings, make: Make = create_app) -> int:
    """Serve what ``make`` makes until SIGTERM or SIGINT; the exit status.

    Raises:
        UserError: the address can't be listened on, or nothing can be written.
    """
    log.set_up(settings.log_level)
    with Workspace():
        pass  # said here in one sentence if nothing can be written; the application's own comes as it starts
    with listen(settings, settings.port, "PORT") as listening:
        probing = None if settings.probe_port is None else listen(settings, settings.probe_port, "PROBE_PORT")
        server = Server(settings, make)
        with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
            return runner.run(_serve(server, listening, probing))


async def _serve(server: Server, listening: socket.socket, probing: socket.socket | None) -> int:
    probes = Probes(server.application, probing) if probing else None
    saying = asyncio.create_task(server.say(listening))
    try:
        await server.serve(sockets=[listening])
    finally:
        saying.cancel()
        if probes:
            probes.stop()
    return server.status


def listen(settings: Settings, port: int, name: str) -> socket.socket:
    """A listening TCP socket; a peer that takes nothing of what is sent for TIMEOUT_S is cut off by Linux itself.

    Raises:
        UserError: the address or port can't be had; names the setting.
    """
    address = settings.bind
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        made = socket.create_server((address, port), family=family, backlog=BACKLOG, dualstack_ipv6=address == "::")
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise UserError(
            f"{address} port {port} can't be listened on ({why}); stop who does, or set {name} or BIND"
        ) from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # what is accepted from it inherits the option
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(settings.timeout_s * 1_000))
    return made


def url(listening: socket.socket) -> str:
    """What a browser on this machine opens."""
    address, port, *_ = listening.getsockname()
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, f"[{address}]" if ":" in address else address)
    return f"http://{host}:{port}"
