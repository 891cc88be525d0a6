"""How much a core carries, held against the service itself, and how a cluster grows with its users.

    python -m scripts.bench.capacity                 # measure with one thread and with two, then everything below
    python -m scripts.bench.capacity --no-measure    # from docs/bench/capacity.csv: the model and the simulation

Reads docs/bench/service.csv (`make bench`) and deploy/k8s; writes docs/bench/capacity.csv, docs/scale.svg and the
tables of docs/scale.md.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import bundle
from bundle.errors import BundleError
from pipeline.core import files
from pipeline.core.errors import DataError, PipelineError, run_stage
from scripts.bench.capacity import chart, measure, report, scenarios
from scripts.bench.capacity.cluster import Machines, Service
from scripts.bench.service.figures import Row
from scripts.dev import readme

BENCH = Path("docs/bench/service.csv")
POINTS = Path("docs/bench/capacity.csv")
PAGE = Path("docs/scale.md")
CHART = Path("docs/scale.svg")
RUNTIME_MB = 2.2  # onnxruntime-web's wasm as it travels (brotli)


def capacity(seconds: float, measured_anew: bool) -> None:
    """Measure, reckon, simulate and write it down.

    Raises:
        PipelineError: something that is read is missing, or the service can't be measured.
    """
    times = report.service_times(bench_rows(BENCH))
    try:
        manifest = bundle.load(measure.PROMOTED).manifest
    except BundleError as error:
        raise PipelineError(str(error)) from error
    variant = manifest.default_variant
    if variant not in times:
        raise DataError(f"{BENCH} has no run of {variant}, which is served by default; `make bench` makes one")
    if measured_anew:
        points = measure.measured(seconds)
        files.write_text(POINTS, measure.to_csv(points))
        readme.write("circumstances", report.circumstances(points, seconds), PAGE)
    else:
        points = measure.from_csv(POINTS)
    settings = scenarios.large_settings()
    service = Service(times[variant], times[variant], settings.stream_fps, settings.streams)
    machines = Machines()
    whole_day, crowds = scenarios.ordinary_day(service, machines), scenarios.crowds(service, machines)
    device_mb = manifest.files[manifest.variants["fp32"].file].bytes / 1e6 + RUNTIME_MB
    for name, text in (
        ("core", report.capacity(times)),
        ("sizes", report.sizes(times[variant], device_mb)),
        ("compared", report.comparison(points, settings.queue)),
        ("bursts", report.bursts(points, settings.queue)),
        ("day", report.simulated_day(whole_day)),
        ("crowds", report.simulated_crowds(crowds)),
    ):
        readme.write(name, text, PAGE)
    chart.draw(whole_day, crowds[0], CHART)
    print(f"-> {POINTS}, {PAGE}, {CHART}")


def bench_rows(path: Path) -> list[Row]:
    """What `make bench` measured, as far as it is needed here.

    Raises:
        DataError: there is no such file, or it is damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                Row(
                    server=row["server"],
                    variant=row["variant"],
                    load=row["load"],
                    clients=int(row["clients"]),
                    per_second=float(row["per_second"]),
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} can't be used ({error}); `make bench` writes it") from error


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="make bench-scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10, help="of each load (10)")
    parser.add_argument("--no-measure", action="store_true", help="take what was measured last")
    given = parser.parse_args(argv)
    return run_stage(lambda: capacity(given.seconds, not given.no_measure))


if __name__ == "__main__":
    sys.exit(main())
