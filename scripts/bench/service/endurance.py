"""Long runs of the service: at saturation, and with one swap of the model after another. Memory has to stay flat."""

import http.client
import json
import shutil
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import bundle
from pipeline.core.errors import PipelineError
from scripts.bench import load, pictures
from scripts.bench.process import get
from scripts.bench.results import sentence, yes
from scripts.bench.service.contenders import PROMOTED, SERVED, promoted

CLIENTS = 8
LOOKS = 20
SWAP_CLIENTS = 4
SWAP_WITHIN_S = 60.0
FLAT = 1.1  # memory at the end, of that after a fifth of the time, at most
SAID_EVERY = 10  # swaps


def soak(seconds: float) -> str:
    """Memory over ``seconds`` at saturation, in one line.

    Raises:
        PipelineError: the service does not start, or ends.
    """
    seen: list[tuple[float, float, load.Load]] = []
    with promoted() as run, SERVED.started(run) as (server, target):
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            each = max(1.0, seconds / LOOKS)
            found = load.closed(target, clients=CLIENTS, seconds=each, cores=run.cores.generator)
            if server.process.poll() is not None:
                raise PipelineError(f"the service ended with status {server.process.returncode}")
            seen.append((time.monotonic() - begun, server.memory()[1], found))
            print(f"  {seen[-1][0]:4.0f} s  {seen[-1][1]:.1f} MB  {found.answers / found.seconds:.0f}/s", flush=True)
    memory = [each[1] for each in seen]
    total: Counter[str] = Counter()
    for _, _, found in seen:
        total += Counter(found.statuses)
    rows = [
        ("statuses", _told(total), yes(set(total) <= {"200", "503"})),
        ("requests without an answer", str(sum(each[2].failures for each in seen)), ""),
        ("answers a second, first and last look", " and ".join(f"{_rate(seen[at][2]):.0f}" for at in (0, -1)), ""),
        _memory(memory),
    ]
    return sentence(rows)


def _rate(found: load.Load) -> float:
    return found.answers / found.seconds


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in sorted(counts.items()) if count)


def _memory(mb: list[float]) -> tuple[str, str, str]:
    early, middle, last = mb[len(mb) // 5], mb[len(mb) // 2], mb[-1]
    figures = f"{early:.0f}, {middle:.0f}, {last:.0f}; largest {max(mb):.0f}"
    return "memory after a fifth, half and all of the time, MB", figures, yes(last <= FLAT * early)


def _ask(target: load.Target, cores: frozenset[int], over: threading.Event, found: Counter[str]) -> None:
    """Clients that send all the time, until ``over``."""
    while not over.is_set():
        seen = load.closed(target, clients=SWAP_CLIENTS, seconds=10, cores=cores)
        found.update(seen.statuses)
        found["none"] += seen.failures


def swaps(count: int, seconds: float) -> str:
    """``count`` swaps between two versions of the promoted model in a served folder, or those of ``seconds``.

    Raises:
        PipelineError: the service does not start, or does not take a model over within a minute.
    """
    memory: list[float] = []
    statuses: Counter[str] = Counter()
    over = threading.Event()
    with promoted(photos=(pictures.small(),)) as run:
        live = run.scratch / "live"
        for version in ("one", "two"):
            shutil.copytree(PROMOTED, run.scratch / version)
            manifest = bundle.load_manifest(run.scratch / version)
            bundle.seal(run.scratch / version, manifest.model_copy(update={"version": version}))
        shutil.copytree(run.scratch / "one", live)
        with SERVED.started(replace(run, folder=live), "--poll-s", "0.05", "--log-level", "error") as (server, target):
            asking = threading.Thread(target=_ask, args=(target, run.cores.generator, over, statuses))
            asking.start()
            begun = time.monotonic()
            try:
                while len(memory) < count and time.monotonic() - begun < seconds:
                    version = ("two", "one")[len(memory) % 2]
                    _swap(run.scratch, version)
                    _await(server.port, version)
                    memory.append(server.memory()[1])
                    if len(memory) % SAID_EVERY == 0:
                        told = f"{len(memory)} swaps, {time.monotonic() - begun:.0f} s, {memory[-1]:.0f} MB"
                        print(f"  {told}, {_told(statuses)}", flush=True)
            finally:
                over.set()
                asking.join()
            took = time.monotonic() - begun
    rows = [
        ("swaps", f"{len(memory):,} in {took:.0f} s", yes(len(memory) >= count)),
        ("answers meanwhile", _told(statuses), yes(set(+statuses) == {"200"})),
        _memory(memory),
    ]
    return sentence(rows)


def _swap(scratch: Path, version: str) -> None:
    shutil.copytree(scratch / version, scratch / "coming")
    (scratch / "live").rename(scratch / "gone")
    (scratch / "coming").rename(scratch / "live")
    shutil.rmtree(scratch / "gone")


def _await(port: int, version: str) -> None:
    until = time.monotonic() + SWAP_WITHIN_S
    while time.monotonic() < until:
        with suppress(OSError, http.client.HTTPException, ValueError):
            if json.loads(get(port, "/readyz")[1]).get("model") == version:
                return
        time.sleep(0.02)
    raise PipelineError(f"the service did not take version {version} over within {SWAP_WITHIN_S:g} s")
