"""A server as a process: started on given cores, watched, ended by its process id."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from pipeline.core.errors import PipelineError

READY_WITHIN_S = 120.0
STOP_WITHIN_S = 10.0
LOOK_EVERY_S = 0.01
REASON_LINES = 3  # last lines of the log, where a server does not start


class NotReadyError(PipelineError):
    """A server ended, or answered nothing for `READY_WITHIN_S`."""


@dataclass(frozen=True)
class Cores:
    """Who runs where. With more than two cores the load generator has its own; with two it shares them."""

    server: frozenset[int]
    generator: frozenset[int]

    @classmethod
    def choose(cls) -> "Cores":
        """The first two for the server."""
        have = sorted(os.sched_getaffinity(0))
        return cls(frozenset(have[:2]), frozenset(have[2:] or have))


@contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """Processes that are started in the block run on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def timed(
    command: Sequence[str], cores: frozenset[int], timeout_s: float, **options: Any
) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run a load generator on ``cores`` to its end; what it said, and the processor time that it took in seconds."""
    before = os.times()
    with on(cores):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s, **options)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return done, used


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """One that runs."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log
        self.ready_s = 0.0
        self._root = psutil.Process(process.pid)

    def await_ready(self, path: str, begun: float) -> None:
        """Wait for a 200 from ``path``.

        Raises:
            NotReadyError: it ended or took too long; says the last lines of its log.
        """
        while not self._answers(path):
            if self.process.poll() is not None:
                raise NotReadyError(f"ended with status {self.process.returncode}: {self._last_words()}")
            if time.monotonic() - begun > READY_WITHIN_S:
                raise NotReadyError(f"not ready within {READY_WITHIN_S:g} s: {self._last_words()}")
            time.sleep(LOOK_EVERY_S)
        self.ready_s = time.monotonic() - begun

    def _answers(self, path: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " / ".join(lines[-REASON_LINES:]) or "it said nothing"

    def processes(self) -> list[psutil.Process]:
        """It and all its descendants."""
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def memory(self) -> tuple[float, float]:
        """MB: all processes with shared pages counted once, and the largest process with what it shares."""
        whole = largest = 0.0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                use = process.memory_full_info()
                whole += use.pss / 1e6
                largest = max(largest, use.rss / 1e6)
        return whole, largest

    def processor_s(self) -> float:
        """Seconds of processor time that its living processes have used."""
        total = 0.0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def stop(self) -> None:
        """SIGTERM; after `STOP_WITHIN_S` SIGKILL, also to descendants that it left behind."""
        family = self.processes()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_WITHIN_S)
        for process in family:
            with suppress(psutil.NoSuchProcess):  # psutil tells a reused process id from the process
                process.kill()
        self.process.wait()


@contextmanager
def running(
    command: Sequence[str],
    *,
    ready: str,
    port: int,
    log: Path,
    environment: Mapping[str, str],
    cores: frozenset[int],
) -> Iterator[Server]:
    """A server for a block, ready.

    Raises:
        NotReadyError: it does not start.
    """
    begun = time.monotonic()
    with log.open("wb") as output, on(cores):
        try:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=dict(environment),
            )
        except OSError as error:
            raise NotReadyError(f"{command[0]} can't be started: {error.strerror}") from error
    server = Server(process, port, log)
    try:
        server.await_ready(ready, begun)
        yield server
    finally:
        server.stop()
