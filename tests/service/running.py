"""A really started service: a process of its own on 127.0.0.1, told to stop by its process id."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from service.settings import Settings

ROOT = Path(__file__).parents[2]
START_S = 30.0  # on a machine that does other things, too


def environment(**settings: object) -> dict[str, str]:
    """This environment, with these settings of the service and no others."""
    kept = {name: value for name, value in os.environ.items() if name.lower() not in Settings.model_fields}
    return kept | {name.upper(): str(value) for name, value in settings.items()} | {"PYTHONPATH": str(ROOT)}


class Running:
    """A service that runs."""

    def __init__(self, folder: Path, **settings: object) -> None:
        """Start it in ``folder``; a setting ``patch`` is code that runs in it first."""
        self.log = folder / "service.log"
        settings = {"model": folder / "promoted", "port": 0, "threads": 2, "poll_s": 0.1} | settings
        self.settings = settings
        self._out = folder / "service.out"
        self.begun = time.monotonic()
        program = ["-m", "service"]
        if patch := settings.pop("patch", None):
            program = ["-c", f"import sys; from service.__main__ import main\n{patch}\nsys.exit(main([]))"]
        with self.log.open("w") as log, self._out.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "error", *program],
                cwd=folder,
                env=environment(**settings),
                stdout=out,
                stderr=log,
            )
        self.url = ""
        self.port = 0

    def await_address(self) -> None:
        """Wait for the line that says where it serves."""
        out = self._out
        eventually(lambda: out.read_text().endswith("\n") or self.process.poll() is not None, START_S)
        self.url = out.read_text().split(" ")[0]
        assert self.url.startswith("http://"), self.log.read_text()
        self.port = int(self.url.rpartition(":")[2])

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def memory(self) -> int:
        """What it holds, in bytes."""
        return int(psutil.Process(self.process.pid).memory_full_info().uss)

    def metric(self, name: str, **labels: str) -> float:
        """One number of /metrics; 0 where it is not there."""
        text = httpx.get(f"{self.url}/metrics").text
        for line in text.splitlines():
            found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if found and found[1] == name and dict(re.findall(r'(\w+)="([^"]*)"', found[2] or "")) == labels:
                return float(found[3])
        return 0.0

    def socket(self, timeout: float = 40) -> socket.socket:
        """A plain connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(START_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


# A `patch` with which a service stays in the middle of a step for as long as a test says; see `held`.
HOLDING = """
import pathlib, time
from bundle import decode
from bundle.engine import Engine
def hold(owner, step):
    real = getattr(owner, step)
    def held(*given, **options):
        while pathlib.Path(f"hold-{step}").exists():
            pathlib.Path(f"held-{step}").touch()
            time.sleep(0.005)
        return real(*given, **options)
    setattr(owner, step, held)
hold(decode, "decode")
hold(Engine, "run")
hold(Engine, "check_golden")
"""


@contextmanager
def held(folder: Path, step: str) -> Iterator[Callable[[], bool]]:
    """For a block, who begins a ``step`` of `HOLDING` in the service of ``folder`` stays there; whether one does."""
    wish, there = folder / f"hold-{step}", folder / f"held-{step}"
    wish.touch()
    try:
        yield there.exists
    finally:
        wish.unlink()
        there.unlink(missing_ok=True)


@contextmanager
def running(folder: Path, **settings: object) -> Iterator[Running]:
    """A service for a block, ready at its begin; it must end well."""
    with starting(folder, **settings) as service:
        service.await_address()
        yield service


@contextmanager
def starting(folder: Path, **settings: object) -> Iterator[Running]:
    """A service for a block; it must end well."""
    service = Running(folder, **settings)
    try:
        yield service
    finally:
        status = service.stop()
    assert status == 0, service.log.read_text()


def eventually(holds: Callable[[], object], timeout_s: float = 40.0) -> None:
    """Wait until something holds, and fail where it does not come to."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
