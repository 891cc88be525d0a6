"""One server under one load after another, each a row."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from scripts.bench import load
from scripts.bench.load import Load, Target
from scripts.bench.process import Server
from scripts.bench.results import NO_VALUE
from scripts.bench.service.contenders import Contender, Run

WARM_UP_S = 2.0
FLOOR = "floor"
STREAM = ", /stream"


@dataclass(frozen=True)
class Row:
    """One line of the CSV file: one server under one load. Times in ms, memory in MB (10^6 bytes)."""

    server: str
    model: str
    load: str  # closed: each client sends when it is answered; poisson, overload: at a rate; missing: see note
    threads: int = 0  # of inference, where it is the service itself
    clients: int = 0
    rate: float = 0.0  # requests a second that were asked, where `load` is at a rate
    seconds: float = 0.0
    answers: int = 0
    per_second: float = 0.0
    p50_ms: float = NO_VALUE
    p95_ms: float = NO_VALUE
    p99_ms: float = NO_VALUE
    statuses: str = ""
    failures: int = 0
    worker_mb: float = 0.0  # the largest process of the server, with what it shares (RSS)
    ready_s: float = 0.0  # from the start of the process to the first 200 of its health check
    server_cpu_ms: float = 0.0  # processor time of the server's processes for one answer
    note: str = ""


@dataclass
class Measurement:
    """A server that runs, and the rows that it gets."""

    run: Run
    who: Contender
    server: Server
    target: Target
    threads: int = 0
    rows: list[Row] = field(default_factory=list)

    def closed(self, clients: int, seconds: float) -> Row:
        """Each of ``clients`` sends again when it is answered; after a warm-up."""
        load.closed(self.target, clients=clients, seconds=WARM_UP_S, cores=self.run.cores.generator)
        before = self.server.processor_s()
        seen = load.closed(self.target, clients=clients, seconds=seconds, cores=self.run.cores.generator)
        return self._row("closed", seen, before, clients=clients)

    def stream(self, clients: int, seconds: float) -> Row:
        """So many cameras at /stream."""
        before = self.server.processor_s()
        seen = load.generated(
            "stream",
            self.run.cores.generator,
            url=f"ws://127.0.0.1:{self.server.port}/stream",
            bodies=self.target.bodies,
            clients=clients,
            seconds=seconds,
        )
        return self._row("closed", seen, before, clients=clients, of=STREAM)

    def at(self, rate: float, name: str, seconds: float) -> Row:
        """About ``rate`` requests a second at random times."""
        before = self.server.processor_s()
        seen = load.at_random(self.target, rate, seconds=seconds, cores=self.run.cores.generator)
        return self._row(name, seen, before, clients=load.USERS, rate=rate)

    def _row(self, name: str, seen: Load, before: float, *, clients: int = 0, rate: float = 0.0, of: str = "") -> Row:
        used = self.server.processor_s() - before
        row = Row(
            server=self.who.name + of,
            model=self.who.model or self.run.variant,
            load=name,
            threads=self.threads,
            clients=clients,
            rate=rate,
            worker_mb=self.server.memory_mb(),
            ready_s=self.server.ready_s,
            server_cpu_ms=1e3 * used / seen.answers if seen.answers else 0.0,
            **_seen(seen),
        )
        self.rows.append(row)
        say(row)
        return row


def floor(run: Run, seconds: float) -> Row:
    """No server: decode and infer in one process and one thread."""
    files = []
    for number, photo in enumerate(run.photos):
        files.append(run.scratch / f"floor-{number:02}")
        files[-1].write_bytes(photo)
    options = {"folder": run.folder, "variant": run.variant, "bodies": files}
    seen = load.generated("floor", run.cores.server, seconds=seconds, **options)
    row = Row(FLOOR, run.variant, "closed", clients=1, **_seen(seen))
    say(row)
    return row


def statuses_of(row: Row) -> Counter[str]:
    """How often each status came."""
    return Counter({part.partition(":")[0]: int(part.partition(":")[2]) for part in row.statuses.split()})


def _seen(seen: Load) -> dict[str, Any]:
    return asdict(seen) | {
        "answers": seen.answers,
        "per_second": seen.answers / seen.seconds if seen.seconds else 0.0,
        "statuses": " ".join(f"{status}:{number}" for status, number in sorted(seen.statuses.items())),
    }


def say(row: Row) -> None:
    """A line on the terminal."""
    asked = f"{row.rate:.0f} a second" if row.rate else f"{row.clients} clients"
    print(
        f"  {row.server:14} {row.model} {row.load:8} {asked:14} {row.per_second:7.1f}/s  P50 {row.p50_ms:7.1f}  "
        f"P99 {row.p99_ms:7.1f} ms  CPU {row.server_cpu_ms:5.1f} ms  {row.statuses}  {row.worker_mb:.0f} MB",
        flush=True,
    )
