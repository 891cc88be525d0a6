"""The tables of docs/bench-service.md, made from the rows of a run."""

from collections.abc import Iterator, Sequence

from scripts.bench.results import table, yes
from scripts.bench.service.contenders import BEFORE, ORIGINAL, OURS, PEERS, SERVED
from scripts.bench.service.measure import FLOOR, STREAM, Row, statuses_of

GAINS = {1: 1.4, 2: 1.2, 8: 1.35, 32: 2.0}  # clients: least times the service before


def report(rows: Sequence[Row]) -> str:
    """All of it as Markdown."""
    missing = [f"- {row.server} was not measured: {row.note}" for row in rows if row.load == "missing"]
    runs = [f"- **{who.name}**: {who.about}" for who in (SERVED, *PEERS)]
    return "\n\n".join(
        [table(("target", "found", ""), expectations(rows)), closed(rows), "\n".join(runs + missing), rates(rows)]
    )


def find(rows: Sequence[Row], server: str, load: str = "closed", clients: int | None = None) -> Row | None:
    """The first row of a server under a load."""
    fit = (row for row in rows if (row.server, row.load) == (server, load) and clients in (None, row.clients))
    return next(fit, None)


def saturation(rows: Sequence[Row], server: str) -> Row | None:
    """The row of a server with most answers a second, of any number of clients."""
    own = [row for row in rows if (row.server, row.load) == (server, "closed")]
    return max(own, key=lambda row: row.per_second, default=None)


def expectations(rows: Sequence[Row]) -> Iterator[tuple[str, str, str]]:
    """What is expected, what was found, and whether that is so."""
    one, floor, most = find(rows, OURS, clients=1), find(rows, FLOOR), saturation(rows, OURS)
    if not (one and floor and most):
        yield "ours and the floor", "not measured", ""
        return
    ratio = one.p50_ms / floor.p50_ms
    found = f"{one.p50_ms:.2f} / {floor.p50_ms:.2f} ms = {ratio:.2f}"
    yield (
        "P50 at one client at most 1.2 times the floor (decode and inference in one process)",
        found,
        yes(ratio <= 1.2),
    )
    yield from _side_by_side(rows)
    if many := find(rows, OURS, clients=32):
        kept = many.per_second / most.per_second
        yield "at 32 clients at least 80 % of saturation", f"{kept:.0%}", yes(kept >= 0.8)
    if original := saturation(rows, ORIGINAL):
        found = f"{most.per_second:.0f} / {original.per_second:.0f} a second"
        yield "at least 4 times the original's stack", found, yes(most.per_second >= 4 * original.per_second)
    if row := find(rows, OURS, "poisson"):
        spread = row.p99_ms / one.p50_ms
        found = f"{row.p99_ms:.1f} / {one.p50_ms:.1f} ms = {spread:.1f}"
        yield "P99 at most 4.5 service times at random times, 70 % of saturation", found, yes(spread <= 4.5)
    if over := find(rows, OURS, "overload"):
        times = _came(over) / most.per_second
        found = f"{over.statuses}, {over.failures} without an answer, at {times:.1f} times saturation"
        yield (
            "at 4 times saturation only 200 and 503",
            found,
            yes(bool(over.answers) and not _odd(over, "200:", "503:")),
        )
    yield "ready in under 1 s", f"{one.ready_s:.2f} s", yes(one.ready_s < 1)
    largest = max(row.worker_mb for row in rows if row.server in (OURS, OURS + STREAM))
    yield "under 200 MB", f"{largest:.0f} MB", yes(largest < 200)


def _side_by_side(rows: Sequence[Row]) -> Iterator[tuple[str, str, str]]:
    """The service beside what it was before, and beside the best peer, at each number of clients."""
    gains, best, ahead = {}, {}, []
    for clients, times in GAINS.items():
        now, then = find(rows, OURS, clients=clients), find(rows, BEFORE, clients=clients)
        if now and then and then.per_second:
            gains[clients] = now.per_second / then.per_second / times
        peers = [row for who in PEERS if who.name != BEFORE and (row := find(rows, who.name, clients=clients))]
        if now and peers:
            best[clients] = max(peers, key=lambda row: row.per_second)
            ahead.append(now.per_second > best[clients].per_second)
    if gains:
        target = ", ".join(f"{GAINS[clients]:g}" for clients in gains)
        found = ", ".join(f"{gain * GAINS[clients]:.2f}" for clients, gain in gains.items())
        at = ", ".join(map(str, gains))
        yield f"{target} times the service before at {at} clients", found, yes(min(gains.values()) >= 1)
    if best:
        found = ", ".join(f"{row.per_second:.0f} ({row.server})" for row in best.values())
        at = ", ".join(map(str, best))
        yield f"ahead of every peer at {at} clients", f"the best peers: {found}", yes(all(ahead))


def _came(row: Row) -> float:
    """Requests a second that were answered in any way."""
    return statuses_of(row).total() / row.seconds if row.seconds else 0.0


def _odd(row: Row, *fine: str) -> bool:
    """Whether there were other statuses than ``fine``, or requests without an answer."""
    return bool(row.failures) or any(not part.startswith(fine) for part in row.statuses.split())


def closed(rows: Sequence[Row]) -> str:
    """A line for each server: answers a second and percentiles by number of clients."""
    lines = []
    for server in dict.fromkeys(row.server for row in rows if row.load == "closed"):
        most = saturation(rows, server)
        assert most is not None
        own = [find(rows, server, clients=clients) for clients in GAINS]
        costs = (f"{most.server_cpu_ms:.1f}", f"{max(row.worker_mb for row in own if row):.0f}", f"{most.ready_s:.1f}")
        served = costs if server != FLOOR else ("", "", "")
        lines.append((server, most.model, *(_cell(row) if row else "" for row in own), *served))
    clients = (f"{each} client{'s' * (each > 1)}" for each in GAINS)
    head = ("answers/s (P50 / P95 / P99 ms)", "model", *clients, "CPU ms an answer", "MB", "ready s")
    return table(head, lines)


def _cell(row: Row) -> str:
    odd = f"; {row.statuses}, {row.failures} lost" if _odd(row, "200:") else ""
    return f"{row.per_second:.0f} ({row.p50_ms:.1f} / {row.p95_ms:.1f} / {row.p99_ms:.1f}{odd})"


def rates(rows: Sequence[Row]) -> str:
    """What came back at random times; percentiles are of all answers, refusals too."""
    head = ("server", "load", "requests/s", "answers/s", "P50 ms", "P99 ms", "statuses", "without an answer")
    return table(
        head,
        [
            (
                *(row.server, row.load, f"{_came(row):.0f}", f"{row.per_second:.0f}", f"{row.p50_ms:.1f}"),
                *(f"{row.p99_ms:.1f}", row.statuses, str(row.failures)),
            )
            for row in rows
            if row.rate
        ],
    )
