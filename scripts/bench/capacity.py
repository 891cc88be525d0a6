"""What a core carries, measured: answers, users and memory with one inference thread and with two; the lock's limit.

    make bench-scale                          # about 5 minutes; needs wrk, and py-spy of `make bench`'s environment

Writes docs/bench/capacity.csv and the tables of docs/scale.md. Users of a core are reckoned from its answers a second,
and held against so many streams at once.
"""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.core.errors import PipelineError
from scripts.bench.results import circumstances, command, keep, publish, table
from scripts.bench.service import profiler
from scripts.bench.service.contenders import SERVED, promoted
from scripts.bench.service.measure import Measurement, Row

CSV = Path("docs/bench/capacity.csv")
PAGE = Path("docs/scale.md")
THREADS = (1, 2)
STREAMS = (1, 8)  # a thread
TARGET = 0.7  # share of a core's time that is planned with: waits grow with load / (1 - load)
FRAMES = (30, 10, 5)  # a second and user
PEOPLE = (10, 100, 1_000, 10_000)


def capacity(seconds: float, dry: bool) -> None:
    """Measure, and write it down.

    Raises:
        PipelineError: wrk, the photos or a promoted model is missing, or the service does not start.
    """
    rows: list[Row] = []
    with promoted() as run:
        for threads in THREADS:
            with SERVED.started(run, "--threads", str(threads)) as (server, target):
                measured = Measurement(run, SERVED, server, target, threads, rows)
                measured.closed(1, seconds)
                measured.closed(4 * threads, seconds)
                for each in STREAMS:
                    measured.stream(each * threads, seconds)
                try:
                    lock_ms = sum(profiler.look(server, target, run.cores, 2 * seconds, gil=True).values())
                except PipelineError as error:
                    print(f"the interpreter's lock was not looked at: {error}", file=sys.stderr)
                    lock_ms = math.nan
    rows = list(keep(CSV, rows, dry))
    texts = {
        "circumstances": f"{circumstances('make bench-scale')} {seconds:g} s each.",
        "core": core(rows),
        "streams": streams(rows),
        "lock": lock(rows, lock_ms),
        "sizes": sizes(answers(rows)),
    }
    publish(PAGE, texts, dry)


def answers(rows: Sequence[Row], threads: int = 1) -> float:
    """Answers a second of a saturated service with so many threads."""
    return max(row.per_second for row in rows if row.threads == threads and row.clients > threads)


def core(rows: Sequence[Row]) -> str:
    """Answers, processor time, memory and users by threads."""
    lines = []
    for threads in THREADS:
        most = max((row for row in rows if row.threads == threads), key=lambda row: row.per_second)
        carried = TARGET * answers(rows, threads)
        lines.append(
            (
                *(str(threads), most.model, f"{most.per_second:.0f}", f"{most.server_cpu_ms:.1f}"),
                *(f"{most.worker_mb:.0f}", *(f"{carried / frames:.1f}" for frames in FRAMES)),
            )
        )
    users = (f"users at {frames}/s" for frames in FRAMES)
    return table(("threads", "model", "answers/s", "CPU ms an answer", "MB", *users), lines)


def streams(rows: Sequence[Row]) -> str:
    """Frames a second of each of so many streams: reckoned from the saturated service, and measured."""
    lines = []
    for row in rows:
        if row.server != SERVED.name:
            reckoned = answers(rows, row.threads) / row.clients
            measured = row.per_second / row.clients
            figures = (f"{reckoned:.1f}", f"{measured:.1f}", f"{measured / reckoned:.2f}", f"{row.p50_ms:.1f}")
            lines.append((str(row.threads), str(row.clients), *figures))
    head = ("threads", "streams", "frames/s each, reckoned", "measured", "measured / reckoned", "P50 ms")
    return table(head, lines)


def lock(rows: Sequence[Row], lock_ms: float) -> str:
    """How many cores one process can use before its threads wait for the interpreter's lock."""
    cpu_ms = next(row.server_cpu_ms for row in rows if row.threads == THREADS[-1] and row.clients > 1)
    if not lock_ms < cpu_ms:  # a thread that holds the lock and waits for a core counts, too
        return "Not measured: py-spy was not there or may not look (it needs ptrace), or the machine was busy."
    return (
        f"An answer holds Python's lock for {lock_ms:.2f} ms (py-spy --gil) of its {cpu_ms:.1f} ms of processor time. "
        f"So one process can't give more than {1e3 / lock_ms:.0f} answers a second, which is what "
        f"{cpu_ms / lock_ms:.1f} cores do. Plan a second process, or replica, from half of that on."
    )


def sizes(per_second: float) -> str:
    """Cores that so many people at once need, at `TARGET` load."""
    lines = []
    for people in PEOPLE:
        cores = (math.ceil(people * frames / (TARGET * per_second)) for frames in FRAMES)
        lines.append((f"{people:,}", *(f"{each:,}" for each in cores)))
    return table(("people at once", *(f"cores at {frames}/s each" for frames in FRAMES)), lines)


if __name__ == "__main__":
    sys.exit(command(capacity, __doc__, "make bench-scale", seconds=(10.0, "of each load")))
