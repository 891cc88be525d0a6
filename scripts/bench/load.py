"""Loads on a server: wrk, with a script for random arrivals, and `generators` for what wrk does not do.

hey, oha and vegeta send at a fixed rate and know no random arrivals; none of them, nor wrk, speaks WebSocket.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core.errors import PipelineError
from scripts.bench.results import percentile

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("post.lua")
MARK = "RESULT "
ANSWER_WITHIN_S = 30
USERS = 200  # connections of a load at random times


@dataclass(frozen=True)
class Load:
    """What a load generator saw.

    Attributes:
        seconds: how long it went on.
        statuses: answers by HTTP status; of /stream, 200 for an answer and the problem's status for the others.
        failures: requests without an answer (connection refused or broken, or over 30 s).
        p50_ms, p95_ms, p99_ms: from request to answer. Of wrk, of all answers, whatever their status; of /stream, of
            those with status 200.
    """

    seconds: float
    statuses: dict[str, int]
    failures: int
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def answers(self) -> int:
        """Pictures that were identified."""
        return self.statuses.get("200", 0)


@dataclass(frozen=True)
class Target:
    """Where to send what."""

    url: str
    bodies: tuple[Path, ...]  # files, sent in turn
    content_type: str


def load_of(seconds: float, statuses: Mapping[str, int], failures: int, times: Iterable[float]) -> Load:
    """Sum up the times (s) of single answers."""
    ms = sorted(1e3 * time for time in times)
    return Load(seconds, dict(statuses), failures, *(percentile(ms, each) for each in (50, 95, 99)))


def closed(target: Target, *, clients: int, seconds: float, cores: frozenset[int], pause_ms: float = 0.0) -> Load:
    """wrk: each of ``clients`` sends again when it is answered, after a random pause of ``pause_ms`` on average.

    Raises:
        PipelineError: wrk is not installed, or it failed.
    """
    if shutil.which("wrk") is None:
        raise PipelineError("wrk is missing; on Debian and Ubuntu: apt-get install wrk")
    command = [
        "wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{max(1, round(seconds))}s",
        "--timeout", f"{ANSWER_WITHIN_S}s", "--script", str(SCRIPT), target.url, "--", f"{pause_ms:.3f}",
        target.content_type, *map(str, target.bodies),
    ]  # fmt: skip
    return _run(command, cores, seconds)


def at_random(target: Target, rate: float, *, seconds: float, cores: frozenset[int]) -> Load:
    """About ``rate`` requests a second at random times, as `USERS` independent users send them.

    Raises:
        PipelineError: wrk is not installed, or it failed.
    """
    return closed(target, clients=USERS, seconds=seconds, cores=cores, pause_ms=1e3 * USERS / rate)


def generated(kind: str, cores: frozenset[int], *, seconds: float, **options: Any) -> Load:
    """One of our own `generators`, as a process of its own.

    Raises:
        PipelineError: it failed.
    """
    given = json.dumps({"seconds": seconds, **options}, default=str)
    return _run([sys.executable, "-m", "scripts.bench.generators", kind, given], cores, seconds)


def _run(command: Sequence[str], cores: frozenset[int], seconds: float) -> Load:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 4 * ANSWER_WITHIN_S,
        cwd=ROOT,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode or MARK not in done.stdout:
        raise PipelineError(f"{' '.join(command[:4])} failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return parse(done.stdout)


def parse(output: str) -> Load:
    """Read the line that post.lua and the generators end with."""
    return Load(**json.loads(output.partition(MARK)[2].splitlines()[0]))
