"""One server under one load after another: what `make bench` does with a contender."""

import http.client
import json
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.core.errors import PipelineError
from scripts.bench.service import pictures, profiler, wrk
from scripts.bench.service.contenders import FLOOR, ROOT, SERVICE, STREAM, Contender, Task
from scripts.bench.service.figures import Load, Results, Row
from scripts.bench.service.server import Cores, NotReadyError, Server, running, timed

WARM_UP_S = 2.0
ASKED_FOR_PARTS = 300  # requests of one client, whose answers say where the time went


@dataclass(frozen=True)
class Plan:
    """What is asked of every server."""

    seconds: float  # of each load, after `WARM_UP_S`
    clients: tuple[int, ...]
    cores: Cores
    photos: tuple[bytes, ...]  # JPEG files of 640 x 480


def floor(plan: Plan, task: Task, results: Results) -> None:
    """No server: decode and infer in one process and one thread."""
    files = bodies(plan, task, pictures.raw)
    command = [
        str(SERVICE / "python"), "-m", "scripts.bench.service.floor", str(task.bundle), task.variant,
        *map(str, files), "--seconds", str(plan.seconds),
    ]  # fmt: skip
    load, _ = generator(command, plan.cores.server)
    results.rows.append(_row(FLOOR, task.variant, "floor", load, clients=1, generator="none"))


def contender(plan: Plan, task: Task, who: Contender, results: Results, *, in_full: bool = False) -> None:
    """Start a server, put it under each load, end it; where it does not start, keep the reason.

    ``in_full`` is for the service itself: also its stream, a steady load and more than it can bear.
    """
    try:
        if who.prepare:
            who.prepare(task)
        with _started(plan, task, who) as server:
            files = bodies(plan, task, who.wrap)
            url = f"http://127.0.0.1:{task.port}{who.path}"
            content_type = pictures.CONTENT_TYPES[who.wrap]
            _closed(plan, task, who.name, server, url, files, content_type, results)
            if in_full:
                _stream(plan, task, server, files, results)
                _at_rates(plan, task, who.name, server, url, files, content_type, results)
                results.parts = parts(task.port, plan.photos)
    except (NotReadyError, PipelineError) as error:
        results.missing[who.name] = str(error)
        print(f"  {who.name}: {error}", flush=True)


def _started(plan: Plan, task: Task, who: Contender) -> AbstractContextManager[Server]:
    return running(
        who.command(task),
        ready=who.ready,
        port=task.port,
        log=task.scratch / f"{who.name}-{task.variant}.log",
        environment=who.variables(task),
        cores=plan.cores.server,
    )


def bodies(plan: Plan, task: Task, wrap: pictures.Wrap) -> list[Path]:
    """The request bodies as files, which the load generators read."""
    files = []
    for number, photo in enumerate(plan.photos):
        file = task.scratch / f"{wrap.__name__}-{number:02}"
        file.write_bytes(wrap(photo))
        files.append(file)
    return files


def parts(port: int, photos: Sequence[bytes]) -> dict[str, float]:
    """Medians in ms of where the time of an answer goes, at one client that keeps its connection alive."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    found: dict[str, list[float]] = {"decode": [], "queue": [], "inference": [], "whole": []}
    for number in range(ASKED_FOR_PARTS):
        begun = time.perf_counter()
        connection.request("POST", "/identify", photos[number % len(photos)], {"Content-Type": "image/jpeg"})
        answer = json.loads(connection.getresponse().read())
        found["whole"].append((time.perf_counter() - begun) * 1e3)
        for name, value in answer["timing_ms"].items():
            found[name].append(value)
    connection.close()
    return {name: statistics.median(values) for name, values in found.items()}


def _closed(
    plan: Plan,
    task: Task,
    name: str,
    server: Server,
    url: str,
    files: Sequence[Path],
    content_type: str,
    results: Results,
) -> None:
    for clients in plan.clients:
        wrk.run(url, files, content_type, clients=clients, seconds=WARM_UP_S, cores=plan.cores.generator)
        before = server.processor_s()
        load, used = wrk.run(
            url, files, content_type, clients=clients, seconds=plan.seconds, cores=plan.cores.generator
        )
        row = _row(name, task.variant, "closed", load, clients=clients, generator="wrk")
        results.rows.append(_with_server(row, load, server, server.processor_s() - before, used))
        _say(results.rows[-1])


def _stream(plan: Plan, task: Task, server: Server, files: Sequence[Path], results: Results) -> None:
    for clients in plan.clients:
        command = [
            sys.executable, "-m", "scripts.bench.service.frames", f"ws://127.0.0.1:{task.port}/stream",
            *map(str, files), "--clients", str(clients), "--seconds", str(plan.seconds),
        ]  # fmt: skip
        before = server.processor_s()
        load, used = generator(command, plan.cores.generator)
        row = _row(STREAM, task.variant, "closed", load, clients=clients, generator="websockets")
        results.rows.append(_with_server(row, load, server, server.processor_s() - before, used))
        _say(results.rows[-1])


def _at_rates(
    plan: Plan,
    task: Task,
    name: str,
    server: Server,
    url: str,
    files: Sequence[Path],
    content_type: str,
    results: Results,
) -> None:
    """At 70 % of what it bears, evenly and as independent users come, and at four times that."""
    saturated = results.saturation(name, task.variant)
    if saturated is None:
        return
    for share, load_name, options in (
        (0.7, "steady", ()),
        (0.7, "poisson", ("--poisson",)),
        (4.0, "overload", ()),
    ):
        rate = share * saturated.per_second
        command = [
            sys.executable, "-m", "scripts.bench.service.rate", url, content_type, *map(str, files),
            "--rate", f"{rate:.2f}", "--seconds", str(plan.seconds), *options,
        ]  # fmt: skip
        before = server.processor_s()
        load, used = generator(command, plan.cores.generator)
        row = _row(name, task.variant, load_name, load, rate=rate, generator="httptools")
        results.rows.append(_with_server(row, load, server, server.processor_s() - before, used))
        _say(results.rows[-1])


def soak(plan: Plan, task: Task, who: Contender, seconds: float) -> list[tuple[float, float]]:
    """Memory over a long load at eight clients: (seconds, MB of the largest process), some twenty looks."""
    seen: list[tuple[float, float]] = []
    with _started(plan, task, who) as server:
        files = bodies(plan, task, who.wrap)
        url = f"http://127.0.0.1:{task.port}{who.path}"
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            wrk.run(
                url,
                files,
                pictures.CONTENT_TYPES[who.wrap],
                clients=8,
                seconds=max(1.0, seconds / 20),
                cores=plan.cores.generator,
            )
            seen.append((time.monotonic() - begun, server.memory()[1]))
            print(f"  {seen[-1][0]:4.0f} s  {seen[-1][1]:.1f} MB", flush=True)
    return seen


def profile(plan: Plan, task: Task, who: Contender, seconds: float) -> dict[str, float]:
    """Milliseconds of processor time an answer, by part."""
    with _started(plan, task, who) as server:
        files = bodies(plan, task, who.wrap)
        url = f"http://127.0.0.1:{task.port}{who.path}"
        kind = pictures.CONTENT_TYPES[who.wrap]
        return profiler.look(server.process.pid, seconds, url, files, kind, plan.cores, task.scratch)


def generator(command: Sequence[str], cores: frozenset[int]) -> tuple[Load, float]:
    """Run one of our own; what it saw, and its processor time in seconds."""
    done, used = timed(command, cores, 300, cwd=ROOT, env=_environment())
    if done.returncode:
        raise PipelineError(f"{command[2]} failed: {done.stderr.strip()[-300:]}")
    return Load(**json.loads(done.stdout.splitlines()[-1])), used


def _environment() -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def _row(
    server: str,
    variant: str,
    load_name: str,
    load: Load,
    *,
    clients: int = 0,
    rate: float = 0.0,
    generator: str,
) -> Row:
    return Row(
        server=server,
        variant=variant,
        load=load_name,
        generator=generator,
        clients=clients,
        rate=rate,
        seconds=load.seconds,
        answers=load.answers,
        per_second=load.answers / load.seconds if load.seconds else 0.0,
        p50_ms=load.p50,
        p95_ms=load.p95,
        p99_ms=load.p99,
        statuses=" ".join(f"{status}:{number}" for status, number in sorted(load.statuses.items())),
        failures=load.failures,
        late_ms=load.late_ms,
    )


def _with_server(row: Row, load: Load, server: Server, processor_s: float, generator_s: float) -> Row:
    whole, largest = server.memory()
    return replace(
        row,
        memory_mb=whole,
        worker_mb=largest,
        ready_s=server.ready_s,
        server_cpu_ms=1e3 * processor_s / load.answers if load.answers else 0.0,
        generator_cpu=generator_s / load.seconds if load.seconds else 0.0,
    )


def _say(row: Row) -> None:
    asked = f"{row.clients} clients" if row.clients else f"{row.rate:.0f} a second"
    print(
        f"  {row.server:14} {row.variant} {row.load:8} {asked:14} {row.per_second:7.1f}/s  "
        f"P50 {row.p50_ms:7.1f}  P99 {row.p99_ms:7.1f} ms  {row.statuses}  {row.worker_mb:.0f} MB",
        flush=True,
    )
