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
from service.http import probes, protocol
from service.http.app import GiveUp, create_app
from service.models.workspace import Workspace
from service.settings import Settings

BACKLOG: Final = 1_024
KEEP_ALIVE_S: Final = 15  # how long a connection may be idle
PING_S: Final = 10.0  # a /stream that answers no ping for so long is closed

Make = Callable[[Settings, GiveUp], FastAPI]


class Server(uvicorn.Server):
    """uvicorn's, which drains before it stops: not ready any more for DRAIN_S, but all is still answered."""

    def __init__(self, settings: Settings, make: Make, address: str) -> None:
        self.status = 0
        self._address = address
        self._said = False
        self._draining = False
        self._settings = settings
        self.app = make(settings, self.give_up)
        http, websocket = protocol.limited(settings, self.app.state.metrics)
        config = uvicorn.Config(
            self.app,
            http=http,
            ws=websocket,
            log_config=None,
            access_log=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=[str(each) for each in settings.trusted_proxies],
            server_header=False,
            ws_max_size=settings.frame_bytes,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            ws_per_message_deflate=False,  # pictures are compressed, and a bomb would be one of our own making
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=settings.grace_s,
        )
        super().__init__(config)
        self.app.state.metrics.connections.set_function(lambda: len(self.server_state.connections))

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
        if state := getattr(self.app.state, "service", None):
            state.drain()
        asyncio.get_running_loop().call_later(seconds, setattr, self, "should_exit", True)

    def give_up(self, why: str) -> None:
        """The service can't go on."""
        print(f"error: {why}", file=sys.stderr, flush=True)
        self.status = 1
        self.drain(0)

    async def on_tick(self, counter: int) -> bool:
        """Print one line once the first model is served."""
        model = self.app.state.service.queue.model
        if model is not None and not self._said:
            self._said = True
            with suppress(OSError):  # nobody reads our stdout
                print(f"{self._address}{self.app.state.entrance} serves {model.version}", flush=True)
        return await super().on_tick(counter)


def main(settings: Settings, make: Make = create_app) -> int:
    """Serve what ``make`` makes until SIGTERM or SIGINT; the exit status.

    Raises:
        UserError: the address can't be listened on, or nothing can be written.
    """
    log.set_up(settings.log_level)
    with Workspace():
        pass  # said here in one sentence if nothing can be written; the application's own comes as it starts
    with listen(settings, settings.port, "PORT") as listening:
        server = Server(settings, make, url(listening))
        if settings.probe_port is not None:
            probes.serve(server.app, listen(settings, settings.probe_port, "PROBE_PORT"))
        server.run(sockets=[listening])
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
