"""The tables of docs/scale.md."""

import math
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import psutil

from scripts.bench.capacity.measure import Point
from scripts.bench.capacity.queueing import Line, answered_a_second, refused, seconds_for_each, short_line, users
from scripts.bench.capacity.scenarios import QUIET_S, Outcome
from scripts.bench.service.contenders import OURS, STREAM
from scripts.bench.service.figures import Row
from scripts.bench.service.report import table

TARGET = 0.7  # share of a thread's time
FRAMES = (30, 10, 5)  # a second and user
PEOPLE = (10, 100, 1_000, 10_000)
BENCH_THREADS = 2  # that docs/bench/service.csv was measured with
MONTH_H = 730
PRICE = 0.04  # of a core for an hour, in euros or dollars: an assumption, for the order of magnitude


def service_times(rows: Sequence[Row]) -> dict[str, float]:
    """Seconds of a core for a frame by variant of the model, from the runs in which the service was saturated."""
    best: dict[str, float] = {}
    for row in rows:
        if row.server in (OURS, STREAM) and row.load == "closed" and row.clients >= BENCH_THREADS:
            best[row.variant] = max(best.get(row.variant, 0.0), row.per_second)
    return {variant: BENCH_THREADS / rate for variant, rate in best.items()}


def capacity(times: dict[str, float]) -> str:
    """What one core carries."""
    lines = []
    for variant, service_s in times.items():
        line = Line(TARGET, service_s)
        lines.append(
            (
                variant,
                f"{1e3 * service_s:.1f}",
                f"{1 / service_s:.0f}",
                f"{TARGET / service_s:.0f}",
                f"{1e3 * line.mean_wait():.1f}",
                f"{1e3 * line.wait_percentile(99):.0f}",
                *(f"{users(frames, service_s, TARGET):.1f}" for frames in FRAMES),
            )
        )
    head = ("model", "ms a frame", "frames/s", "at 70 %", "mean wait ms", "P99 wait ms")
    lines.append(("on the device", "0", "any", "any", "0", "0", *("any" for _ in FRAMES)))
    return table((*head, *(f"users at {frames}/s" for frames in FRAMES)), lines)


def sizes(service_s: float, device_mb: float) -> str:
    """What so many people at once need, all of them in server mode, or all on their devices."""
    lines = []
    for people in PEOPLE:
        cores = [math.ceil(people * frames * service_s / TARGET) for frames in FRAMES]
        lines.append(
            (
                f"{people:,}",
                *(f"{each:,}" for each in cores),
                f"{cores[1] * PRICE * MONTH_H:,.0f}",
                f"{people * device_mb / 1e3:,.1f}",
            )
        )
    asked = (f"cores at {frames}/s each" for frames in FRAMES)
    money = f"a month at 10/s, at {PRICE} a core and hour"
    return table(("people at once", *asked, money, "GB to fetch, all on the device"), lines)


def comparison(points: Sequence[Point], queue: int) -> str:
    """The model beside what was measured, for each number of threads."""
    parts = []
    for threads in sorted({point.threads for point in points}):
        own = [point for point in points if point.threads == threads]
        parts += [f"#### {threads} thread{'s' * (threads > 1)}", _compared(own, threads, queue)]
    return "\n\n".join(parts)


def refusal_s(points: Sequence[Point]) -> float:
    """Seconds of a thread for one refusal: from the burst at one thread, which the one at two is held against."""
    own = {point.load: point for point in points if point.threads == 1}
    service_s = 1 / own["most"].answered
    burst = own["burst"]
    turned_away = burst.asked - burst.answered
    return max(0.0, 1 - burst.answered * service_s) / turned_away


def _compared(own: Sequence[Point], threads: int, queue: int) -> str:
    most = next(point for point in own if point.load == "most")
    alone = next(point for point in own if point.load == "alone")
    service_s = threads / most.answered
    what = f"as many as it can, {most.clients} clients"
    lines: list[tuple[str, ...]] = [(what, "answers a second", "", f"{most.answered:.0f}", "")]
    for point in own:
        lines += _lines(point, threads, service_s, alone.p50_ms, queue)
    return table(("load", "", "model", "measured", "measured / model"), lines)


def _lines(point: Point, threads: int, service_s: float, alone_ms: float, queue: int) -> Iterator[tuple[str, ...]]:
    if point.load == "random":
        load = point.asked * service_s / threads
        line = short_line(load, service_s, queue, threads)
        name = f"at random times, {load:.0%} of that"
        yield _line(name, "P50 ms", alone_ms + 1e3 * line.wait_percentile(50), point.p50_ms)
        yield _line(name, "P99 ms", alone_ms + 1e3 * line.wait_percentile(99), point.p99_ms)
        turned_away = refused(load, queue) if threads == 1 else line.refused
        yield (name, "refused", f"{turned_away:.1%}", f"{point.refused:.1%}", "")
    elif point.load == "cameras":
        each, answer_s = seconds_for_each(point.clients // threads, math.inf, service_s)
        name = f"{point.clients} streams"
        yield _line(name, "frames a second each", each, point.answered / point.clients)
        yield _line(name, "P50 ms", 1e3 * answer_s, point.p50_ms)


def bursts(points: Sequence[Point], queue: int) -> str:
    """Four times as much as it can answer: what is answered, and how late."""
    lines: list[tuple[str, ...]] = []
    costs = refusal_s(points)
    for point in (point for point in points if point.load == "burst"):
        own = {each.load: each for each in points if each.threads == point.threads}
        service_s = point.threads / own["most"].answered
        answered = point.threads * answered_a_second(point.asked / point.threads, service_s, costs)
        slowed = point.threads / point.answered
        name = f"{point.threads} thread{'s' * (point.threads > 1)}, {point.asked:.0f} a second"
        if point.threads == 1:
            lines.append((name, "answers a second", "", f"{point.answered:.1f}", ""))
        else:
            lines.append(_line(name, "answers a second", answered, point.answered))
        lines.append(
            _line(
                name,
                "P99 ms of those",
                own["alone"].p50_ms + 1e3 * (queue / point.threads + 1) * slowed,
                point.p99_ms,
            )
        )
        lines.append((name, "without an answer", "0", f"{point.lost}", ""))
    return table(("load", "", "model", "measured", "measured / model"), lines)


def _line(name: str, what: str, model: float, measured: float) -> tuple[str, ...]:
    return name, what, f"{model:.1f}", f"{measured:.1f}", f"{measured / model:.2f}"


def simulated_day(outcome: Outcome) -> str:
    """The ordinary day, in figures."""
    cores = outcome.machines.pods_each + 1
    fixed = max(each.machines for each in outcome.seconds) * cores * 24.0
    fewest = min(each.told for each in outcome.seconds)
    lines = [
        ("pods", f"{fewest} to {outcome.most_pods}"),
        ("P99, median over the day", f"{1e3 * outcome.typical_p99_s:.0f} ms"),
        ("P99, worst second", f"{1e3 * outcome.worst_p99_s:.0f} ms"),
        ("frames left out", f"{outcome.shed:.2%}"),
        (
            "core-hours of machines",
            f"{outcome.core_hours:.0f} ({outcome.core_hours * PRICE:.0f} at {PRICE} each)",
        ),
        ("core-hours with machines for the peak all day", f"{fixed:.0f} ({fixed * PRICE:.0f})"),
    ]
    return table(("", "in 24 hours"), lines)


def simulated_crowds(outcomes: Sequence[Outcome]) -> str:
    """The hour of the crowd under several rules."""
    lines = [
        (
            each.name,
            f"{each.most_pods}",
            f"{1e3 * each.worst_p99_s:.0f}",
            f"{each.shed:.1%}",
            f"{each.most_waiting}",
            f"{each.well_again_s(QUIET_S) / 60:.1f}",
            f"{each.core_hours:.0f}",
        )
        for each in outcomes
    ]
    head = (
        "rules",
        "pods",
        "P99 ms, worst",
        "frames left out",
        "without a stream",
        "min until well",
        "core-hours",
    )
    return table(head, lines)


def circumstances(points: Sequence[Point], seconds: float) -> str:
    """When and where it was measured."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, `make bench-scale`, {points[0].variant}, {psutil.cpu_count()} cores shared by "
        f"server and load generator, {memory:.0f} GiB, Python {platform.python_version()}; {seconds:g} s each, photos "
        "of 640 x 480."
    )
