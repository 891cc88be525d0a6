"""wrk, the load generator of the comparison: written in C, each client sends again when it is answered."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pipeline.core.errors import PipelineError
from scripts.bench.service.figures import Load
from scripts.bench.service.server import timed

SCRIPT = Path(__file__).with_name("post.lua")
MARK = "RESULT "
ANSWER_WITHIN_S = 30


def version() -> str:
    """What wrk says of itself.

    Raises:
        PipelineError: it is not installed.
    """
    if shutil.which("wrk") is None:
        raise PipelineError("wrk is missing; on Debian and Ubuntu: apt-get install wrk")
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    return " ".join(said.split(" ")[:2])


def run(
    url: str,
    bodies: Sequence[Path],
    content_type: str,
    *,
    clients: int,
    seconds: float,
    cores: frozenset[int],
) -> tuple[Load, float]:
    """Post ``bodies`` in turn over ``clients`` connections; what came back, and wrk's processor time in seconds.

    Raises:
        PipelineError: wrk failed.
    """
    command = [
        "wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{max(1, round(seconds))}s",
        "--timeout", f"{ANSWER_WITHIN_S}s", "--script", str(SCRIPT), url, "--", content_type, *map(str, bodies),
    ]  # fmt: skip
    result, used = timed(command, cores, seconds + 2 * ANSWER_WITHIN_S)
    if result.returncode or MARK not in result.stdout:
        raise PipelineError(f"wrk failed: {(result.stderr or result.stdout).strip()[-300:]}")
    return parse(result.stdout), used


def parse(output: str) -> Load:
    """Read the line that post.lua ends with."""
    values = json.loads(output.partition(MARK)[2].splitlines()[0])
    return Load(**values)
