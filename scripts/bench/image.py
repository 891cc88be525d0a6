"""What the image weighs, and how it starts, stops and uses memory: `python -m scripts.bench.image [IMAGE]`.

Hardened, with one core and 384 MB. A start counts from `docker run` to the first 200 of /readyz, a stop from SIGTERM to
the end. `docker history IMAGE` says what each layer weighs.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pipeline.core.errors import PipelineError, run_stage
from scripts.bench.process import Cores, Server, ask, free_port, running
from scripts.bench.results import table
from scripts.release.image import ROOT, TAG

TIMES: Final = 10
PICTURES: Final = 500  # that memory is looked at after
NAME: Final = "art-text-plant-bench"
OPTIONS: Final = (
    "--read-only", "--tmpfs=/tmp:size=128m,mode=1777", "--cap-drop=ALL", "--security-opt=no-new-privileges",
    "--memory=384m", "--memory-swap=384m", "--cpus=1", "--env=DECODE_BYTES=30000000", "--env=BUFFER_BYTES=20000000",
    "--env=STREAMS=8", "--env=CONNECTIONS=64",
)  # fmt: skip


def docker(*words: str) -> str:
    """What `docker` prints.

    Raises:
        PipelineError: it fails; its own words are in the text.
    """
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PipelineError(f"docker {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


@contextmanager
def started(image: str) -> Iterator[Server]:
    """A container for a block, ready."""
    port = free_port()
    command = ["docker", "run", "--rm", "--name", NAME, *OPTIONS, f"--publish=127.0.0.1:{port}:8000", image]
    with (
        tempfile.NamedTemporaryFile() as log,
        running(
            command, ready="/readyz", port=port, log=Path(log.name), environment=os.environ, cores=Cores.choose().server
        ) as server,
    ):
        yield server


def memory() -> str:
    """What the container uses now without what the kernel could drop, as `docker stats` counts."""
    return docker("stats", "--no-stream", "--format", "{{.MemUsage}}", NAME).partition(" ")[0]


def measure(image: str) -> None:
    """Measure and print.

    Raises:
        PipelineError: there is no such image, or it does not come to serve.
    """
    size = int(docker("image", "inspect", "--format", "{{.Size}}", image)) / 1e6
    picture = next(iter(sorted((ROOT / "models/promoted/golden").glob("*.png")))).read_bytes()
    starts, stops = [], []
    for _ in range(TIMES):
        with started(image) as server:
            starts.append(server.ready_s)
            told = time.monotonic()
        stops.append(time.monotonic() - told)
    with started(image) as server:
        fresh = memory()
        for _ in range(PICTURES):
            ask(server.port, "/identify", picture, "image/png")
        used = memory()
    rows = [
        ("size", f"{size:.0f} MB"),
        ("from the start to serving", f"{statistics.median(starts):.2f} s ({max(starts):.2f} at most)"),
        ("from SIGTERM to the end", f"{statistics.median(stops):.2f} s ({max(stops):.2f} at most)"),
        ("memory, ready", fresh),
        (f"memory, after {PICTURES} pictures", used),
    ]
    print(table(("", ""), rows))


if __name__ == "__main__":
    sys.exit(run_stage(lambda: measure(sys.argv[1] if len(sys.argv) > 1 else TAG)))
