"""The servers that the service is compared with, each as its own documentation has it; they run in .venv-bench.

What they need to know comes by variables of the environment, BENCH_…: `contenders` sets them.
"""

import os
from pathlib import Path

import bundle
from bundle.engine import Engine


def engine() -> Engine:
    """What each worker of a server loads: the bundle, for one thread."""
    return Engine(bundle.load(Path(os.environ["BENCH_BUNDLE"])), os.environ["BENCH_VARIANT"], threads=1)
