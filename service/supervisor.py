"""The supervisor: one process that accepts connections, hands them to workers, and keeps those alive.

It does nothing else that could take long or fail: it parses no request and reads no file. It accepts each
connection itself and gives it to the worker with the fewest, which is what a shared or a SO_REUSEPORT socket
does not do: there, two of two clients often meet in the same worker, and the other core idles.

It neither loads ONNX Runtime nor starts a thread, so that it can fork at any time: a fork of a process with
threads may hang. Workers load the runtime themselves, side by side, and share everything else with it.
"""

import gc
import logging
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Final

from service import log, metrics, quota, reload, worker
from service.board import Board
from service.channel import Channel, Message, PeerGone
from service.children import Child, Children
from service.listener import Listener
from service.runtime import Runtime
from service.settings import Settings
from service.swap import Model, Swap

WATCHER: Final = -1  # the place of the one child that is no worker
TICK_S: Final = 0.25
SILENT_S: Final = 15.0  # a worker whose event loop or picture hangs for so long is killed
HOPELESS: Final = 5  # deaths in quick succession before anything was ever served
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


class Supervisor:
    """All of the service; `run` returns when it has ended."""

    def __init__(self, settings: Settings, runtime: Runtime, listener: Listener) -> None:
        count = settings.workers or quota.workers()
        self._settings = settings
        self._runtime = runtime
        self._listener = listener
        self._board = Board(count)
        self._metrics = metrics.Metrics(runtime.metrics, "supervisor")
        self._selector = selectors.DefaultSelector()
        self._children = Children((WATCHER, *range(count)), self._live, self._selector, self._hear)
        self._wake, self._woken = socket.socketpair()
        self._model: Model | None = None  # that is served
        self._swap: Swap | None = None
        self._trouble = ""  # why there is no newer one
        self._status = 0
        self._signalled = 0  # how often told to stop
        self._close_at: float | None = None  # when draining ends
        self._kill_at: float | None = None  # when patience ends

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit status."""
        for end in (self._wake, self._woken):
            end.setblocking(False)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)
        self._selector.register(self._wake, selectors.EVENT_READ, lambda: self._wake.recv(4_096))
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        gc.collect()
        gc.freeze()  # what is here now stays shared with the children: the collector does not touch it
        while self._children or self._kill_at is None:
            for child in self._children.fork_due():
                if self._trouble and child.place != WATCHER:
                    child.send(do="trouble", why=self._trouble)
            for key, _ in self._selector.select(TICK_S):
                key.data()
            self._look_after()
        return self._status

    def _live(self, place: int, channel: Channel) -> int:
        """What a child does."""
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the supervisor says when to stop
        for ours in (self._wake, self._woken, self._listener):
            ours.close()
        model = self._model
        if place == WATCHER:
            log.set_up(self._settings.log_level, "watcher")
            return reload.main(self._settings, channel, self._runtime.models, model.token if model else None)
        return worker.main(
            worker.Post(
                settings=self._settings,
                place=place,
                channel=channel,
                board=self._board,
                metrics=self._runtime.metrics,
                model=model.folder if model else None,
                generation=model.generation if model else 0,
            )
        )

    @property
    def _workers(self) -> list[Child]:
        return [child for child in self._children if child.place != WATCHER]

    def _accept(self) -> None:
        for accepted in self._listener.accept():
            with accepted:
                if not self._hand_over(accepted):
                    self._metrics.turned_away.inc()
                    self._listener.turn_away(accepted)

    def _hand_over(self, accepted: socket.socket) -> bool:
        """Give a connection to the ready worker that has the fewest; False where there is no room."""
        workers = self._workers
        if sum(map(self._open, workers)) >= self._settings.connections:
            return False
        able = [child for child in workers if child.ready] or workers
        for child in sorted(able, key=lambda one: (self._open(one), one.handed)):
            try:
                if child.channel.send({"do": "connect", "socket": True}, accepted):
                    child.handed += 1
                    return True
            except PeerGone:  # it is ending
                continue
        return False

    def _open(self, child: Child) -> int:
        return child.handed - self._board.place(child.place).closed

    def _hear(self, child: Child, message: Message) -> None:
        swap = self._swap
        concerns_swap = swap is not None and message.get("generation") == swap.model.generation
        match message["did"]:
            case "found":
                self._try(Model.of(message, (self._model.generation if self._model else 0) + 1))
            case "trouble":
                self._note(message["outcome"], message["why"])
            case "ready":
                child.ready = True
            case "prepared" if swap is not None and concerns_swap:
                swap.prepared(child.place)
                self._advance(swap)
            case "failed" if concerns_swap:
                self._refuse(message["why"])
            case "failed":
                log.event(
                    logging.ERROR,
                    "a worker can't load the served model",
                    place=child.place,
                    why=message["why"],
                )

    def _try(self, model: Model) -> None:
        """Let all workers load a new model: at once at the start, else one after the other."""
        self._swap = Swap(model, [child.place for child in self._workers], at_once=self._model is None)
        if self._children.complete:
            self._advance(self._swap)
        else:
            self._refuse("a worker was being replaced", for_s=1.0)

    def _advance(self, swap: Swap) -> None:
        for place in swap.next():
            if child := self._children.get(place):
                child.send(do="prepare", generation=swap.model.generation, folder=str(swap.model.folder))
        if not swap.done:
            return
        first, self._model, self._swap, self._trouble = self._model is None, swap.model, None, ""
        for child in self._workers:
            child.ready = True
            child.send(do="take", generation=swap.model.generation)
        self._tell_watcher(do="taken", token=swap.model.token)
        self._metrics.reloads.labels("taken").inc()
        if first:
            _say(f"{self._listener.url} serves {swap.model.version}")

    def _refuse(self, why: str, for_s: float = reload.REFUSED_FOR_S) -> None:
        """The new model is not taken; the watcher may bring it again after ``for_s`` seconds."""
        if (swap := self._swap) is None:
            return
        self._swap = None
        for child in self._workers:
            child.send(do="drop")
        self._tell_watcher(do="refused", token=swap.model.token, why=why, for_s=for_s)
        self._note("refused", why)

    def _note(self, outcome: str, why: str) -> None:
        """A new model can't be had or used: what is served goes on, and everybody can see why."""
        self._trouble = why
        for child in self._workers:
            child.send(do="trouble", why=why)
        if not why:
            return
        self._metrics.reloads.labels(outcome).inc()
        served = self._model.version if self._model else None
        log.event(logging.ERROR, "no new model", outcome=outcome, why=why, model=served)
        if self._model is None and self._settings.registered is None:
            self._give_up(why)

    def _tell_watcher(self, **message: object) -> None:
        if watcher := self._children.get(WATCHER):
            watcher.send(**message)

    def _look_after(self) -> None:
        """What is due: the dead, the hanging, the end."""
        now = time.monotonic()
        for death in self._children.reap():
            self._mourn(death.child, death.status, death.in_succession)
        self._listener.tidy(now)
        for child in self._workers:
            if now - max(self._board.place(child.place).beat_ms / 1e3, child.born) > SILENT_S:
                log.event(logging.ERROR, "a worker hangs; it is killed", place=child.place, pid=child.pid)
                child.kill()
        if self._signalled and self._close_at is None:
            self._drain(self._settings.drain_s)
        if self._signalled > 1:  # the user is in a hurry
            self._close_at = self._kill_at = now
        if self._close_at is not None and now >= self._close_at and self._listener.fileno() >= 0:
            self._close(now)
        if self._kill_at is not None and now >= self._kill_at:
            for child in self._children:
                log.event(logging.WARNING, "requests in flight are cut off", place=child.place)
                child.kill()

    def _mourn(self, child: Child, status: int, deaths: int) -> None:
        if child.place != WATCHER:
            self._board.place(child.place).clear()
            metrics.forget(self._runtime.metrics, str(child.place))
        if self._close_at is not None:
            return
        name = "the watcher" if child.place == WATCHER else f"worker {child.place}"
        how = f"signal {-status}" if status < 0 else f"status {status}"
        log.event(logging.ERROR, f"{name} ended ({how}) and is replaced", pid=child.pid)
        self._metrics.restarts.inc()
        cause = quota.killed_for() if status == -signal.SIGKILL else ""
        self._refuse(f"{name} ended while it was tried{cause}", for_s=1.0)
        if self._model is None and deaths >= HOPELESS:
            self._give_up(f"{name} ends again and again ({how}); the log says why")

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if number != signal.SIGCHLD:  # which only wakes the loop
            self._signalled += 1

    def _drain(self, seconds: float) -> None:
        """Not ready any more, but still answering, so that a balancer has time to notice."""
        self._close_at = time.monotonic() + seconds
        self._children.replace = False
        log.event(logging.INFO, "stopping")
        for child in self._workers:
            child.send(do="drain")

    def _close(self, now: float) -> None:
        """No new connections; workers finish what they have."""
        if self._kill_at is None:
            self._kill_at = now + self._settings.grace_s
        self._selector.unregister(self._listener)
        self._listener.close()
        for child in self._children:
            if child.place == WATCHER:
                child.kill()
            else:
                child.send(do="stop")

    def _give_up(self, why: str) -> None:
        if self._close_at is None:
            print(f"error: {why}", file=sys.stderr, flush=True)
            self._status = 1
            self._drain(0)


def _say(line: str) -> None:
    with suppress(OSError):  # nobody reads our stdout
        print(line, flush=True)


def main(settings: Settings) -> int:
    """Serve; the exit status.

    Raises:
        UserError: the address can't be listened on, or there is no place for temporary files.
    """
    log.set_up(settings.log_level, "supervisor")
    with Listener(settings.bind, settings.port) as listener, Runtime() as runtime:
        return Supervisor(settings, runtime, listener).run()
