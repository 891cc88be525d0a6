"""Compare the service with other ways to serve the same model, and with no server at all, side by side in one run.

    make bench                                              # all servers, about 11 minutes: docs/bench/service.csv
    python -m scripts.bench.service soak                    # memory over 10 minutes at saturation
    python -m scripts.bench.service flood                   # a million hostile requests, 60 minutes at most
    python -m scripts.bench.service swaps                   # 1,000 swaps of the model under load, 40 minutes at most
    python -m scripts.bench.service profile                 # processor time of an answer by part, before and now

Everything stays on 127.0.0.1. Each writes its part of docs/bench-service.md; --dry writes nothing.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.core.errors import PipelineError, run_stage
from scripts.bench.results import circumstances, keep, publish
from scripts.bench.service import endurance, flood, measure, profiler
from scripts.bench.service.contenders import BEFORE, OURS, PEERS, SERVED, Contender, Run, promoted
from scripts.bench.service.measure import Measurement, Row
from scripts.bench.service.report import report, saturation

CSV = Path("docs/bench/service.csv")
PAGE = Path("docs/bench-service.md")
COMPARE = "compare"
CLIENTS = (1, 2, 8, 32)
OVERLOAD = 6.0  # times saturation, of which 4 or more arrive: a connection that is refused is read again later


def compare(seconds: float, dry: bool) -> None:
    """Measure everything.

    Raises:
        PipelineError: wrk, the photos or a promoted model is missing.
    """
    with promoted() as run:
        rows = [measure.floor(run, seconds)]
        for who in (SERVED, *PEERS):
            print(f"== {who.name}", flush=True)
            rows += _measured(run, who, seconds)
    told = f"{circumstances('make bench')} {seconds:g} s each after warm-up, photos of 640 x 480."
    publish(PAGE, {"tables": f"{told}\n\n{report(keep(CSV, rows, dry))}"}, dry)


def _measured(run: Run, who: Contender, seconds: float) -> list[Row]:
    """Each number of clients; of the service now and before also what comes at a rate; of now also its stream."""
    rows: list[Row] = []
    try:
        with who.started(run) as (server, target):
            measurement = Measurement(run, who, server, target, rows=rows)
            for clients in CLIENTS:
                measurement.closed(clients, seconds)
            if who.name == OURS:
                for clients in CLIENTS:
                    measurement.stream(clients, seconds)
            most = saturation(rows, who.name)
            if who.name in (OURS, BEFORE) and most:
                for name, share in (("poisson", 0.7), ("overload", OVERLOAD)):
                    measurement.at(share * most.per_second, name, seconds)
    except PipelineError as error:
        print(f"  {who.name}: {error}", flush=True)
        rows.append(Row(who.name, who.model or run.variant, "missing", note=" ".join(str(error).split())))
    return rows


RUNS: dict[str, tuple[int, int, Callable[[int, float], str]]] = {  # how many, in how many seconds at most
    "soak": (0, 600, lambda _, seconds: endurance.soak(seconds)),
    "flood": (1_000_000, 3_600, flood.flood),
    "swaps": (1_000, 2_400, endurance.swaps),
    "profile": (0, 20, lambda _, seconds: profiler.compare(seconds)),
}


def other(what: str, count: int | None, seconds: float | None, dry: bool) -> None:
    """One of `RUNS`.

    Raises:
        PipelineError: something that it needs is missing, or the service fails.
    """
    usual, longest, run = RUNS[what]
    count, seconds = count or usual, seconds or longest
    found = run(count, seconds)  # first: `circumstances` tells of the machine at the end
    how = f"--count {count} --seconds {seconds:g}" if count else f"--seconds {seconds:g}"
    told = circumstances(f"python -m scripts.bench.service {what} {how}")
    publish(PAGE, {what: told + ("\n\n" if "\n" in found else " ") + found}, dry)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run; the exit status."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m scripts.bench.service", description=__doc__, formatter_class=form)
    parser.add_argument("what", nargs="?", default=COMPARE, choices=[COMPARE, *RUNS])
    parser.add_argument("--seconds", type=float, help="of each load (10; profile 20), or at most (see above)")
    parser.add_argument("--count", type=int, help="requests of flood, swaps of swaps")
    parser.add_argument("--dry", action="store_true", help="print and write nothing")
    given = parser.parse_args(argv)
    if given.what == COMPARE:
        return run_stage(lambda: compare(given.seconds or 10.0, given.dry))
    return run_stage(lambda: other(given.what, given.count, given.seconds, given.dry))


if __name__ == "__main__":
    sys.exit(main())
