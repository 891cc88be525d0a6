"""The service itself, with one thread and with two, under what the model speaks about.

Parts of scripts/bench/service: the server as a process, the photos, and the load generators.
"""

import csv
import io
import math
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import bundle
from bundle.errors import BundleError
from pipeline.core.errors import DataError, PipelineError
from scripts.bench.service import measure, pictures, wrk
from scripts.bench.service.contenders import ROOT, SERVED, Task
from scripts.bench.service.figures import Load
from scripts.bench.service.server import Cores, Server, free_port, running

PROMOTED = Path("models/promoted")
THREADS = (1, 2)
LOADS = (0.5, 0.7, 0.85)  # of what it answers at most, at random times
BURST = 4.0  # times what it answers at most
CAMERAS = (1, 2, 4, 8)  # a thread
WARM_UP_S = 2.0


@dataclass(frozen=True)
class Point:
    """One load that the service was put under. Times in ms from request to answer, rates a second."""

    variant: str  # of the model
    threads: int
    load: str  # alone, most, random, burst: requests; cameras: streams
    clients: int = 0  # of those that send when they are answered
    asked: float = 0.0  # requests a second, of those that come at random
    answered: float = 0.0
    refused: float = 0.0  # share of the answers that were 503
    lost: int = 0  # no answer at all
    p50_ms: float = math.nan
    p99_ms: float = math.nan
    cpu_ms: float = 0.0  # processor time of the service for one answer
    late_ms: float = 0.0  # P99 of how much later than planned a request was sent


def measured(seconds: float) -> list[Point]:
    """Put the promoted model's default variant under each load for some ``seconds``.

    Raises:
        PipelineError: wrk, the photos or a promoted model is missing, or the service does not start.
    """
    wrk.version()
    try:
        variant = bundle.load(PROMOTED).manifest.default_variant
    except BundleError as error:
        raise PipelineError(str(error)) from error
    photos = pictures.make()
    points: list[Point] = []
    for threads in THREADS:
        with tempfile.TemporaryDirectory(prefix="capacity-") as folder:
            scratch = Path(folder)
            task = Task((ROOT / PROMOTED).resolve(), variant, free_port(), scratch, scratch / "none")
            plan = measure.Plan(seconds, (), Cores.choose(), tuple(photos))
            files = measure.bodies(plan, task, pictures.raw)
            with running(
                [*SERVED.command(task), "--threads", str(threads), "--log-level", "warning"],
                ready=SERVED.ready,
                port=task.port,
                log=scratch / "log",
                environment=SERVED.variables(task),
                cores=plan.cores.server,
            ) as server:
                for point in _loads(server, task, threads, files, seconds, plan.cores):
                    points.append(point)
                    _say(point)
    return points


def _loads(
    server: Server, task: Task, threads: int, files: Sequence[Path], seconds: float, cores: Cores
) -> Iterator[Point]:
    url = f"http://127.0.0.1:{task.port}/identify"

    def closed(name: str, clients: int) -> Point:
        wrk.run(url, files, "image/jpeg", clients=clients, seconds=WARM_UP_S, cores=cores.generator)
        before = server.processor_s()
        load, _ = wrk.run(url, files, "image/jpeg", clients=clients, seconds=seconds, cores=cores.generator)
        return _point(task, threads, name, load, server.processor_s() - before, clients=clients)

    def random(name: str, rate: float, duration: float) -> Point:
        command = [
            sys.executable, "-m", "scripts.bench.service.rate", url, "image/jpeg", *map(str, files),
            "--rate", f"{rate:.2f}", "--seconds", str(duration), "--poisson",
        ]  # fmt: skip
        before = server.processor_s()
        load, _ = measure.generator(command, cores.generator)
        return _point(task, threads, name, load, server.processor_s() - before, asked=rate)

    yield closed("alone", 1)
    most = closed("most", 4 * threads)
    yield most
    for share in LOADS:
        yield random("random", share * most.answered, 2 * seconds)
    yield random("burst", BURST * most.answered, seconds)
    for each in CAMERAS:
        command = [
            sys.executable, "-m", "scripts.bench.service.frames", f"ws://127.0.0.1:{task.port}/stream",
            *map(str, files), "--clients", str(each * threads), "--seconds", str(seconds),
        ]  # fmt: skip
        before = server.processor_s()
        load, _ = measure.generator(command, cores.generator)
        yield _point(task, threads, "cameras", load, server.processor_s() - before, clients=each * threads)


def _point(
    task: Task,
    threads: int,
    name: str,
    load: Load,
    processor_s: float,
    *,
    clients: int = 0,
    asked: float = 0.0,
) -> Point:
    return Point(
        variant=task.variant,
        threads=threads,
        load=name,
        clients=clients,
        asked=asked,
        answered=load.answers / load.seconds,
        refused=load.statuses.get("503", 0) / max(1, sum(load.statuses.values())),
        lost=load.failures,
        p50_ms=load.p50,
        p99_ms=load.p99,
        cpu_ms=1e3 * processor_s / load.answers if load.answers else 0.0,
        late_ms=load.late_ms,
    )


def _say(point: Point) -> None:
    who = f"{point.clients} clients" if point.clients else f"{point.asked:.0f} a second"
    print(
        f"  {point.threads} threads  {point.load:8} {who:14} {point.answered:6.1f}/s  refused {point.refused:6.1%}  "
        f"P50 {point.p50_ms:6.1f}  P99 {point.p99_ms:6.1f} ms",
        flush=True,
    )


def to_csv(points: Iterable[Point]) -> str:
    """The CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(Point)], lineterminator="\n")
    writer.writeheader()
    for point in points:
        row = asdict(point)
        writer.writerow({k: f"{v:.4f}" if isinstance(v, float) else v for k, v in row.items()})
    return text.getvalue()


def from_csv(path: Path) -> list[Point]:
    """What an earlier run wrote.

    Raises:
        DataError: there is none, or it is damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [_of_row(row) for row in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} can't be used ({error}); `make bench-scale` writes it") from error


def _of_row(row: dict[str, str]) -> Point:
    words, whole = ("variant", "load"), ("threads", "clients", "lost")
    values: dict[str, Any] = {
        name: text if name in words else int(text) if name in whole else float(text) for name, text in row.items()
    }
    return Point(**values)
