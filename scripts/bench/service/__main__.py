"""Compare the service with other ways to serve the same model, and with no server at all, side by side in one run.

The same ONNX model and the same 640 x 480 photos; wrk sends. Writes docs/bench/service.csv and the tables of
docs/bench-service.md. Everything stays on 127.0.0.1.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import bundle
from bundle.errors import BundleError
from pipeline.core import files
from pipeline.core.errors import PipelineError, run_stage
from scripts.bench.service import measure, pictures, profiler, wrk
from scripts.bench.service.contenders import PEERS, ROOT, SERVED, Task
from scripts.bench.service.figures import Results, to_csv
from scripts.bench.service.report import report
from scripts.bench.service.server import Cores, free_port
from scripts.dev import readme

CSV = Path("docs/bench/service.csv")
PAGE = Path("docs/bench-service.md")
PROMOTED = Path("models/promoted")


def bench(seconds: float, clients: tuple[int, ...], only: Sequence[str], *, soak: float, profile: float) -> None:
    """Measure everything, or the peers that ``only`` names.

    Raises:
        PipelineError: wrk, the photos or a promoted model is missing.
    """
    generator = wrk.version()
    try:
        promoted = bundle.load(PROMOTED).manifest
    except BundleError as error:
        raise PipelineError(str(error)) from error
    plan = measure.Plan(seconds, clients, Cores.choose(), tuple(pictures.make()))
    results = Results()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        scratch = Path(folder)
        (scratch / "picture.jpg").write_bytes(plan.photos[0])

        def task(variant: str) -> Task:
            return Task((ROOT / PROMOTED).resolve(), variant, free_port(), scratch, scratch / "picture.jpg")

        if soak:
            measure.soak(plan, task(promoted.default_variant), SERVED, soak)
            return
        if profile:
            profiles = [(name, measure.profile(plan, task(name), SERVED, profile)) for name in promoted.variants]
            readme.write("profile", profiler.report(profiles, profile), PAGE)
            return
        default = promoted.default_variant
        for variant in sorted(promoted.variants, key=lambda name: name != default):
            print(f"== {variant}", flush=True)
            measure.floor(plan, task(variant), results)
            measure.contender(plan, task(variant), SERVED, results, in_full=variant == default)
        for peer in PEERS:
            if not only or peer.name in only:
                print(f"== {peer.name}", flush=True)
                measure.contender(plan, task(default), peer, results)
    files.write_text(CSV, to_csv(results.rows))
    readme.write("tables", report(results, default, seconds, generator), PAGE)
    print(f"-> {CSV}, {PAGE}")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10, help="of each load (10)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 2, 8, 32])
    parser.add_argument("--only", nargs="+", default=[], choices=[peer.name for peer in PEERS], help="some peers")
    parser.add_argument("--soak", type=float, default=0, help="instead: memory over so many seconds of load")
    parser.add_argument(
        "--profile", type=float, default=0, help="instead: where processor time goes, over so many seconds"
    )
    given = parser.parse_args(argv)
    return run_stage(
        lambda: bench(given.seconds, tuple(given.clients), given.only, soak=given.soak, profile=given.profile)
    )


if __name__ == "__main__":
    sys.exit(main())
