"""What one run found, and the CSV file of all of them."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields

NO_ANSWER = math.nan  # of a percentile where nothing was answered


@dataclass(frozen=True)
class Load:
    """What a load generator saw.

    Attributes:
        seconds: how long it went on.
        statuses: answers by HTTP status; of /stream, 200 for an answer and the problem's status for the others.
        failures: requests that got no answer (connection refused or broken, or 30 s over).
        p50, p95, p99: milliseconds from request to answer. Of wrk, of all answers; of the others, of those with
            status 200.
        late_ms: P99 of how much later than planned a request was sent, for want of processor or of connections.
    """

    seconds: float
    statuses: dict[str, int]
    failures: int
    p50: float
    p95: float
    p99: float
    late_ms: float = 0.0

    @property
    def answers(self) -> int:
        """Pictures that were identified."""
        return self.statuses.get("200", 0)


@dataclass(frozen=True)
class Row:
    """One line of the CSV file: one server under one load. Times in ms, memory in MB (10^6 bytes)."""

    server: str
    variant: str  # of the model
    load: str  # closed: each client sends when it is answered; steady, poisson: at a rate; floor: no server
    generator: str = ""
    clients: int = 0
    rate: float = 0.0  # requests a second that were asked, where `load` is at a rate
    seconds: float = 0.0
    answers: int = 0
    per_second: float = 0.0
    p50_ms: float = NO_ANSWER
    p95_ms: float = NO_ANSWER
    p99_ms: float = NO_ANSWER
    statuses: str = ""
    failures: int = 0
    late_ms: float = 0.0
    memory_mb: float = 0.0  # all processes of the server; what they share counts once (PSS)
    worker_mb: float = 0.0  # the largest process, with what it shares (RSS)
    ready_s: float = 0.0  # from the start of the process to the first 200 of its health check
    server_cpu_ms: float = 0.0  # processor time of the server's processes for one answer
    generator_cpu: float = 0.0  # share of one core that the load generator took
    note: str = ""


@dataclass
class Results:
    """All rows of a run, and why a server has none."""

    rows: list[Row] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)  # server: reason
    parts: dict[str, float] = field(default_factory=dict)  # ms of an answer of ours by part, at one client

    def find(self, server: str, variant: str, load: str, clients: int | None = None) -> Row | None:
        """The row of a server under a load; the first of several."""
        for row in self.rows:
            if (row.server, row.variant, row.load) == (server, variant, load) and clients in (
                None,
                row.clients,
            ):
                return row
        return None

    def saturation(self, server: str, variant: str) -> Row | None:
        """The row with most answers a second, of any number of clients."""
        rows = [r for r in self.rows if (r.server, r.variant, r.load) == (server, variant, "closed")]
        return max(rows, key=lambda row: row.per_second, default=None)


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that ``percent`` of the values do not exceed (nearest rank); `NO_ANSWER` of none.

    Args:
        ordered: values, ascending.
        percent: over 0, up to 100.
    """
    if not ordered:
        return NO_ANSWER
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def load_of(
    seconds: float,
    statuses: dict[str, int],
    failures: int,
    times: Iterable[float],
    late: Iterable[float] = (),
) -> Load:
    """Sum up the times (s) of single answers."""
    ordered = sorted(1e3 * time for time in times)
    return Load(
        seconds,
        statuses,
        failures,
        percentile(ordered, 50),
        percentile(ordered, 95),
        percentile(ordered, 99),
        max(0.0, percentile(sorted(1e3 * time for time in late), 99)),
    )


def to_csv(rows: Iterable[Row]) -> str:
    """The CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(Row)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in asdict(row).items()})
    return text.getvalue()


def _cell(value: float | int | str) -> str:
    if not isinstance(value, float):
        return str(value)
    return "" if math.isnan(value) else f"{value:.3f}"
