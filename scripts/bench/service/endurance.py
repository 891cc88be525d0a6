"""Long runs of the service: at saturation, and with one swap of the model after another. Memory has to stay flat."""

import json
import shutil
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import bundle
from pipeline.core.errors import PipelineError
from scripts.bench import load, pictures
from scripts.bench.process import ask
from scripts.bench.results import counts, memory_line, sentence, yes
from scripts.bench.service.contenders import PROMOTED, SERVED, promoted
from scripts.bench.service.measure import Measurement, statuses_of

CLIENTS = 8
LOOKS = 20
SWAP_CLIENTS = 4
SWAP_WITHIN_S = 60.0


def soak(seconds: float) -> str:
    """Memory over ``seconds`` at saturation, in one line.

    Raises:
        PipelineError: the service does not start, or ends.
    """
    with promoted() as run, SERVED.started(run) as (server, target):
        measured, begun = Measurement(run, SERVED, server, target), time.monotonic()
        while time.monotonic() - begun < seconds:
            measured.closed(CLIENTS, max(1.0, seconds / LOOKS))
            if server.process.poll() is not None:
                raise PipelineError(f"the service ended with status {server.process.returncode}")
    rows = measured.rows
    statuses = sum((statuses_of(row) for row in rows), Counter[str]())
    rates = f"{rows[0].per_second:.0f} and {rows[-1].per_second:.0f}"
    found = [
        ("statuses", counts(statuses), yes(set(statuses) <= {"200", "503"})),
        ("requests without an answer", str(sum(row.failures for row in rows)), ""),
        ("answers a second, first and last look", rates, ""),
        memory_line([row.worker_mb for row in rows]),
    ]
    return sentence(found)


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
                    memory.append(server.memory_mb())
            finally:
                over.set()
                asking.join()
            took = time.monotonic() - begun
    rows = [
        ("swaps", f"{len(memory):,} in {took:.0f} s", yes(len(memory) >= count)),
        ("answers meanwhile", counts(statuses), yes(set(+statuses) == {"200"})),
        memory_line(memory),
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
        status, body = ask(port, "/readyz")
        if status == "200" and json.loads(body)["model"] == version:
            return
        time.sleep(0.02)
    raise PipelineError(f"the service did not take version {version} over within {SWAP_WITHIN_S:g} s")
