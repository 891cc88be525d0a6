"""The tables of docs/bench-service.md, made from what a run found."""

import math
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import psutil

from scripts.bench.service.contenders import BEFORE, FLOOR, ORIGINAL, OURS, PEERS, SERVED, STREAM
from scripts.bench.service.figures import Results, Row


def report(results: Results, variant: str, seconds: float, generator: str) -> str:
    """All of it as Markdown."""
    memory = psutil.virtual_memory().total / 2**30
    cores = psutil.cpu_count()
    return "\n\n".join(
        [
            f"{datetime.now(UTC):%Y-%m-%d}, `make bench`, {cores} cores shared by server and load generator, "
            f"{memory:.0f} GiB, Python {platform.python_version()}, {generator}; {seconds:g} s each after warm-up, "
            f"keep-alive, photos of 640 x 480, {variant}.",
            "### Against what was expected",
            table(("expected", "found", ""), list(expectations(results, variant))),
            "### Each client sends when it is answered",
            closed(results, variant),
            "### At a given rate (ours)",
            rates(results, variant),
            "### Where the time of an answer goes (ours, one client, medians)",
            parts(results),
            "### Started by",
            "\n".join(f"- **{who.name}**: {who.about}" for who in (SERVED, *PEERS)),
            *(["### Not measured"] if results.missing else []),
            *(
                ["\n".join(f"- {name}: {reason}" for name, reason in results.missing.items())]
                if results.missing
                else []
            ),
        ]
    )


def expectations(results: Results, variant: str) -> Iterator[tuple[str, str, str]]:
    """What is expected, what was found, and whether that is so."""
    one = results.find(OURS, variant, "closed", 1)
    base = results.find(FLOOR, variant, "floor")
    ours = results.saturation(OURS, variant)
    if not (one and base and ours):
        yield "ours and the floor", "not measured", ""
        return
    ratio = one.p50_ms / base.p50_ms
    yield (
        "P50 at one client within 1.2 of the floor (decode and inference in one process)",
        f"{one.p50_ms:.2f} / {base.p50_ms:.2f} ms = {ratio:.2f}",
        _yes(ratio <= 1.2),
    )
    for clients, times in ((1, 1.4), (2, 1.2), (8, 1.35), (32, 2.0)):
        now = results.find(OURS, variant, "closed", clients)
        then = results.find(BEFORE, variant, "closed", clients)
        if now and then:
            gain = now.per_second / then.per_second if then.per_second else math.inf
            yield (
                f"at {clients} clients at least {times:g} times the service before",
                f"{now.per_second:.0f} / {then.per_second:.0f} a second = {gain:.2f}",
                _yes(gain >= times),
            )
    if many := results.find(OURS, variant, "closed", 32):
        kept = many.per_second / ours.per_second
        yield "at 32 clients at least 80 % of saturation", f"{kept:.0%}", _yes(kept >= 0.8)
    peers = [row for who in PEERS if (row := results.saturation(who.name, variant))]
    if peers:
        best = max(peers, key=lambda row: row.per_second)
        yield (
            "at saturation at least as many answers as the best peer",
            f"{ours.per_second:.0f} a second against {best.per_second:.0f} ({best.server})",
            _yes(ours.per_second >= best.per_second),
        )
    if original := results.saturation(ORIGINAL, variant):
        times = ours.per_second / original.per_second if original.per_second else math.inf
        yield "at least 4 times the original's stack", f"{times:.1f} times", _yes(times >= 4)
    for load, name in (("steady", "evenly"), ("poisson", "at random times")):
        if row := results.find(OURS, variant, load):
            spread = row.p99_ms / one.p50_ms
            yield (
                f"P99 at most 4.5 service times at 70 % of saturation, {name}",
                f"{row.p99_ms:.1f} / {one.p50_ms:.1f} ms = {spread:.1f}",
                _yes(spread <= 4.5),
            )
    if over := results.find(OURS, variant, "overload"):
        only = set(over.statuses.split()) and all(s.startswith(("200:", "503:")) for s in over.statuses.split())
        yield (
            "at 4 times saturation no error but 503",
            f"{over.statuses}, {over.failures} without an answer",
            _yes(bool(only) and not over.failures),
        )
        spread = over.p99_ms / ours.p50_ms
        yield (
            "P99 of what is answered then under 5 times P50 at saturation",
            f"{over.p99_ms:.1f} / {ours.p50_ms:.1f} ms = {spread:.1f}",
            _yes(spread < 5),
        )
    yield "ready in under 1 s from start", f"{one.ready_s:.2f} s", _yes(one.ready_s < 1)
    largest = max(row.worker_mb for row in results.rows if row.server in (OURS, STREAM))
    yield "under 200 MB", f"{largest:.0f} MB", _yes(largest < 200)
    if int8 := results.find(OURS, "int8", "closed", 1):
        yield "int8 or fp32", f"int8: P50 {int8.p50_ms:.2f} ms at one client", ""


def closed(results: Results, variant: str) -> str:
    """Answers a second and percentiles of every server and number of clients."""
    rows = [row for row in results.rows if row.load in ("closed", "floor")]
    head = (
        "server",
        "model",
        "clients",
        "answers/s",
        "P50 ms",
        "P95 ms",
        "P99 ms",
        "CPU ms an answer",
        "MB",
        "ready s",
    )
    return table(head, [_cells(row) for row in sorted(rows, key=lambda row: row.variant != variant)])


def _cells(row: Row) -> tuple[str, ...]:
    served = row.load != "floor"
    return (
        row.server,
        row.variant,
        str(row.clients),
        f"{row.per_second:.0f}" + (f" ({row.statuses}, {row.failures} lost)" if _odd(row) else ""),
        *(f"{value:.1f}" for value in (row.p50_ms, row.p95_ms, row.p99_ms)),
        f"{row.server_cpu_ms:.1f}" if served else "",
        f"{row.worker_mb:.0f}" if served else "",
        f"{row.ready_s:.1f}" if served else "",
    )


def _odd(row: Row) -> bool:
    return bool(row.failures) or any(not part.startswith("200:") for part in row.statuses.split())


def rates(results: Results, variant: str) -> str:
    """What came back at a steady rate, at random times, and beyond saturation."""
    rows = [
        (
            row.load,
            f"{row.rate:.0f}",
            f"{row.per_second:.0f}",
            f"{row.p50_ms:.1f}",
            f"{row.p99_ms:.1f}",
            row.statuses,
            f"{row.late_ms:.1f}",
        )
        for row in results.rows
        if row.variant == variant and row.rate
    ]
    return table(("load", "asked/s", "answered/s", "P50 ms", "P99 ms", "statuses", "sent late by, P99 ms"), rows)


def parts(results: Results) -> str:
    """Medians of decode, queue, inference, and what is left for HTTP and the event loop."""
    found = results.parts
    if not found:
        return "not measured"
    rest = found["whole"] - sum(found[name] for name in ("decode", "queue", "inference"))
    rows = [(name, f"{found[name]:.2f}") for name in ("decode", "queue", "inference")]
    return table(
        ("part", "ms"),
        [*rows, ("HTTP, event loop, client", f"{rest:.2f}"), ("whole", f"{found['whole']:.2f}")],
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _yes(fulfilled: bool) -> str:
    return "yes" if fulfilled else "**no**"
