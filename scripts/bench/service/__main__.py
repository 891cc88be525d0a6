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
CLIENTS = (1, 2, 8, 32)
OVERLOAD = 6.0  # times saturation, of which 4 or more arrive: a connection that is refused is read again later


def compare(seconds: float, only: Sequence[str], dry: bool) -> None:
    """Measure everything, or of the peers those that ``only`` names.

    Raises:
        PipelineError: wrk, the photos or a promoted model is missing.
    """
    with promoted() as run:
        rows = [measure.floor(run, seconds)]
        for who in (SERVED, *(peer for peer in PEERS if not only or peer.name in only)):
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


def _write(name: str, command: str, measured: Callable[[], str], dry: bool) -> None:
    found = measured()  # first: `circumstances` tells of the machine at the end
    told = circumstances(f"python -m scripts.bench.service {command}")
    publish(PAGE, {name: told + ("\n\n" if "\n" in found else " ") + found}, dry)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench.service",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="?", default="compare", choices=["compare", "soak", "flood", "swaps", "profile"])
    parser.add_argument("--seconds", type=float, help="of each load (10; profile 20), or at most (see above)")
    parser.add_argument("--only", nargs="+", default=[], choices=[peer.name for peer in PEERS], help="some peers")
    parser.add_argument("--requests", type=int, default=1_000_000, help="of flood")
    parser.add_argument("--swaps", type=int, default=1_000, help="of swaps")
    parser.add_argument("--dry", action="store_true", help="print and write nothing")
    given = parser.parse_args(argv)
    seconds = given.seconds or {"compare": 10, "soak": 600, "flood": 3_600, "swaps": 2_400, "profile": 20}[given.what]
    if given.what == "compare":
        return run_stage(lambda: compare(seconds, given.only, given.dry))
    commands: dict[str, tuple[str, Callable[[], str]]] = {
        "soak": (f"--seconds {seconds:g}", lambda: endurance.soak(seconds)),
        "flood": (f"--requests {given.requests}", lambda: flood.flood(given.requests, seconds)),
        "swaps": (f"--swaps {given.swaps}", lambda: endurance.swaps(given.swaps, seconds)),
        "profile": (f"--seconds {seconds:g}", lambda: profiler.compare(seconds)),
    }
    options, measured = commands[given.what]
    return run_stage(lambda: _write(given.what, f"{given.what} {options}", measured, given.dry))


if __name__ == "__main__":
    sys.exit(main())
