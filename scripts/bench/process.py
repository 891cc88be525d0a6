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

import psutil

from pipeline.core.errors import PipelineError

READY_WITHIN_S = 120.0
STOP_WITHIN_S = 10.0
REASON_LINES = 3  # last lines of the log, where a server does not start


class NotReadyError(PipelineError):
    """A server ended, or gave no answer for `READY_WITHIN_S`."""


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


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ask(port: int, path: str, picture: bytes | None = None, kind: str = "image/jpeg") -> tuple[str, bytes]:
    """Status and body of one GET, or of a POST with a picture, at 127.0.0.1; without an answer the error's name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST" if picture else "GET", path, picture, {"Content-Type": kind} if picture else {})
        answer = connection.getresponse()
        return str(answer.status), answer.read()
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__, b""
    finally:
        connection.close()


class Server:
    """One that runs."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log
        self.ready_s = 0.0  # from the start of the process to the first 200
        self._root = psutil.Process(process.pid)

    def await_ready(self, path: str, begun: float) -> None:
        """Wait for a 200 from ``path``.

        Raises:
            NotReadyError: it ended or took too long; says the last lines of its log.
        """
        while True:
            if ask(self.port, path)[0] == "200":
                self.ready_s = time.monotonic() - begun
                return
            if self.process.poll() is not None:
                raise NotReadyError(f"ended with status {self.process.returncode}: {self._last_lines()}")
            if time.monotonic() - begun > READY_WITHIN_S:
                raise NotReadyError(f"not ready within {READY_WITHIN_S:g} s: {self._last_lines()}")
            time.sleep(0.01)

    def _last_lines(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " / ".join(lines[-REASON_LINES:]) or "its log is empty"

    def _processes(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def memory_mb(self) -> float:
        """MB of the largest process, with what it shares (RSS)."""
        largest = 0.0
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                largest = max(largest, process.memory_info().rss / 1e6)
        return largest

    def processor_s(self) -> float:
        """Seconds of processor time that its living processes have used."""
        total = 0.0
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def stop(self) -> None:
        """SIGTERM; after `STOP_WITHIN_S` SIGKILL, also to descendants that it left behind."""
        family = self._processes()
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
    command: Sequence[str], *, ready: str, port: int, log: Path, environment: Mapping[str, str], cores: frozenset[int]
) -> Iterator[Server]:
    """A server for a block, ready.

    Raises:
        NotReadyError: it does not start.
    """
    begun = time.monotonic()
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=dict(environment),
                preexec_fn=lambda: os.sched_setaffinity(0, cores),
            )
        except OSError as error:
            raise NotReadyError(f"{command[0]} can't be started: {error.strerror}") from error
    server = Server(process, port, log)
    try:
        server.await_ready(ready, begun)
        yield server
    finally:
        server.stop()
