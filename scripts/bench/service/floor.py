"""The floor: decode and `session.run` in one process, with no server around it.

    python -m scripts.bench.service.floor BUNDLE VARIANT FILE… --seconds 10

Runs in the service's own environment; prints a `Load` as JSON.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import bundle
from bundle import decode
from bundle.engine import Engine
from scripts.bench.service.figures import load_of

WARM_UP = 20  # pictures


def main(argv: Sequence[str] | None = None) -> int:
    """Measure one thread and print the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("variant")
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    given = parser.parse_args(argv)
    engine = Engine(bundle.load(given.bundle), given.variant, threads=1)
    frames = [path.read_bytes() for path in given.pictures]
    for number in range(WARM_UP):
        engine.run(decode.decode(frames[number % len(frames)], engine.size)[None])
    times: list[float] = []
    begun = now = time.perf_counter()
    while now - begun < given.seconds:
        engine.run(decode.decode(frames[len(times) % len(frames)], engine.size)[None])
        before, now = now, time.perf_counter()
        times.append(now - before)
    print(json.dumps(asdict(load_of(now - begun, {"200": len(times)}, 0, times))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
