"""A worker: one process with an event loop for the connections and a thread that infers.

The supervisor hands it accepted connections and tells it when to load a model, when to take it over and when
to stop; see `supervisor`.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvicorn
import uvloop

from bundle.errors import UserError
from service import app, connection, heap, log
from service.admission import Line
from service.board import Board
from service.channel import Channel, Message, PeerGone
from service.limits import Buffer
from service.metrics import Metrics
from service.settings import Settings
from service.state import State

if TYPE_CHECKING:
    from service.served import Served

BEAT_S: Final = 0.5


@dataclass(frozen=True)
class Post:
    """What a worker is born with."""

    settings: Settings
    place: int
    channel: Channel
    board: Board
    metrics: Path  # folder
    model: Path | None  # bundle to load at once
    generation: int  # of that bundle


def main(post: Post) -> int:
    """Work until told to stop; the exit status."""
    heap.tune()
    log.set_up(post.settings.log_level, f"worker {post.place}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(post))
    return 0


async def _work(post: Post) -> None:
    await _Worker(post).run()


class _Worker:
    def __init__(self, post: Post) -> None:
        settings = post.settings
        self._post = post
        self._cell = post.board.place(post.place)
        self._prepared: tuple[int, Served] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

        metrics = Metrics(post.metrics, str(post.place))
        line = Line(settings, metrics)
        buffer = Buffer(settings.buffer_bytes)
        self._state = State(settings, metrics, line, buffer, post.board, post.place)
        self._server = _server(self._state, self._lost)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop)
        await self._server.startup(sockets=[])  # no sockets: connections come from the supervisor
        loop.add_reader(self._post.channel.fileno(), self._listen)
        self._spawn(self._beat())
        if self._post.model is not None:
            self._spawn(self._start_with(self._post.model))
        await self._server.main_loop()
        await self._server.shutdown()
        self._state.line.close()

    async def _beat(self) -> None:
        while True:
            if not self._state.line.stuck:
                self._cell.beat_ms = time.monotonic_ns() // 1_000_000
            await asyncio.sleep(BEAT_S)

    def _listen(self) -> None:
        try:
            messages = self._post.channel.receive()
        except PeerGone:  # the supervisor died; finish what is here
            asyncio.get_running_loop().remove_reader(self._post.channel.fileno())
            return self._stop()
        for message, handed in messages:
            if handed is not None:
                self._spawn(self._connect(socket.socket(fileno=handed)))
            else:
                self._obey(message)
        return None

    def _obey(self, message: Message) -> None:
        match message["do"]:
            case "prepare":
                self._spawn(self._prepare(message["generation"], Path(message["folder"])))
            case "take":
                self._take(message["generation"])
            case "drop":
                self._prepared = None
            case "trouble":
                self._state.trouble = message["why"]
            case "drain":
                self._drain()
            case "stop":
                self._stop()

    async def _connect(self, accepted: socket.socket) -> None:
        config, server = self._server.config, self._server
        try:
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: config.http_protocol_class(  # type: ignore[call-arg]  # uvicorn's own protocol takes them
                    config=config, server_state=server.server_state, app_state=server.lifespan.state
                ),
                accepted,
            )
        except OSError:  # it went away on the way here
            accepted.close()
            self._lost()

    def _lost(self) -> None:
        self._cell.closed += 1

    async def _load(self, folder: Path, generation: int) -> "Served | None":
        from service.served import Served

        try:
            return await asyncio.to_thread(Served.load, folder, self._post.settings.variant)
        except (UserError, OSError, MemoryError) as error:
            self._tell(did="failed", generation=generation, why=str(error) or "out of memory")
            return None

    async def _start_with(self, folder: Path) -> None:
        if (served := await self._load(folder, self._post.generation)) is not None:
            self._serve(served)
            self._tell(did="ready", generation=self._post.generation)

    async def _prepare(self, generation: int, folder: Path) -> None:
        if (served := await self._load(folder, generation)) is not None:
            self._prepared = (generation, served)
            self._tell(did="prepared", generation=generation)

    def _take(self, generation: int) -> None:
        if self._prepared is not None and self._prepared[0] == generation:
            served, self._prepared = self._prepared[1], None
            self._serve(served)

    def _serve(self, served: "Served") -> None:
        """From the next picture on; the one in work, and files that are being sent, finish with the old model."""
        old = self._state.line.served
        self._state.line.served = served
        self._state.trouble = ""
        metrics, variant = self._state.metrics, served.engine.variant
        if old is not None:
            metrics.model.labels(old.version, old.engine.variant).set(0)
        metrics.model.labels(served.version, variant).set(1)
        metrics.created.set(served.bundle.manifest.created.timestamp())
        metrics.loaded.set(served.loaded)
        log.event(logging.INFO, "model taken over", model=served.version, variant=variant)
        if old is None:
            gc.freeze()  # what is there now stays; the collector need not walk it again
        gone = [old]
        del old
        self._spawn(asyncio.to_thread(_release, gone))

    def _drain(self) -> None:
        self._state.draining = True
        for stream in tuple(self._state.streams):
            stream.stop()

    def _stop(self) -> None:
        self._drain()
        self._server.should_exit = True

    def _tell(self, **message: object) -> None:
        try:
            self._post.channel.send({"pid": os.getpid(), **message})
        except PeerGone:
            self._stop()

    def _spawn(self, coroutine: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(self._tasks.discard)


def _server(state: State, lost: "connection.Lost") -> uvicorn.Server:
    settings = state.settings
    http, websocket = connection.limited(settings, lost)
    config = uvicorn.Config(
        app.create(state),
        http=http,
        ws=websocket,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws_max_size=settings.frame_bytes,
        ws_ping_interval=settings.ping_s,
        ws_ping_timeout=settings.ping_s,
        ws_per_message_deflate=False,  # pictures are compressed, and a bomb would be one of our own making
        timeout_keep_alive=settings.keep_alive_s,  # type: ignore[arg-type]  # it goes to call_later, which takes floats
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    return server


def _release(old: list["Served | None"]) -> None:
    """Let a replaced model go, in a thread because that takes milliseconds."""
    old.clear()
    heap.trim()
