"""How long `dvc repro` takes in a fresh clone, stage by stage, after one more photo, and with nothing to do.

Writes docs/bench/pipeline.csv and the table of docs/pipeline.md. DVC itself keeps no times of stages.
"""

import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.core.errors import PipelineError
from scripts.bench.results import circumstances, command, keep, publish, table, yes
from scripts.dev.clone import environment, fresh_clone, run

STAGE = re.compile(r"Running stage '([\w-]+)'")
COLD, MORE, IDLE = "cold, all stages", "one more photo", "nothing to do"
TARGETS_S = {COLD: 150.0, MORE: 15.0, IDLE: 1.0}
BEFORE_S = {COLD: 334.0}  # commit 97d1b24, its default of fine-tuning, the same machine when it was quiet
CSV = Path("docs/bench/pipeline.csv")
PAGE = Path("docs/pipeline.md")


@dataclass(frozen=True)
class Row:
    """One line of the CSV file: a stage of the cold run, or a whole run."""

    what: str
    seconds: float
    memory_gb: float = 0.0  # resident, of the largest process so far


def measure(clone: Path) -> list[Row]:
    """Run ``dvc repro`` in ``clone``; the time of each stage that ran.

    Raises:
        PipelineError: a stage failed; its output was shown.
    """
    stage, begun = "start", time.monotonic()
    rows = []
    how: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(["dvc", "repro"], cwd=clone, env=environment(), **how) as repro:
        assert repro.stdout is not None
        for line in repro.stdout:
            print(line, end="", flush=True)
            if found := STAGE.search(line):
                rows.append(Row(stage, time.monotonic() - begun))
                stage, begun = found.group(1), time.monotonic()
        rows.append(Row(stage, time.monotonic() - begun))
    if repro.returncode:
        raise PipelineError("dvc repro failed in a fresh clone (see above)")
    return rows


def _whole(name: str, stages: Sequence[Row]) -> Row:
    kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Row(name, sum(row.seconds for row in stages), kilobytes / 1e6)


def add_photo(clone: Path) -> None:
    """One more photo: one of the set, cut, so that it is another one.

    Raises:
        PipelineError: it could not be added.
    """
    photo = sorted((clone / "data/images/art").glob("*.jpg"))[0]
    with Image.open(photo) as image:
        width, height = image.size
        image.crop((width // 4, height // 4, width, height)).save(photo.with_name("one-more.jpg"), quality=92)
    run(clone, "python", "-m", "pipeline.data", "adopt")
    run(clone, "dvc", "add", "--quiet", "data")


def report(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, those of whole runs with their targets and what they were before."""
    lines = []
    for row in rows:
        target, before = TARGETS_S.get(row.what), BEFORE_S.get(row.what)
        expected = (f"{target:g}", yes(row.seconds <= target)) if target else ("", "")
        figures = (f"{row.seconds:.1f}", f"{row.memory_gb:.2f}" if row.memory_gb else "")
        lines.append((f"**{row.what}**" if target else row.what, *figures, f"{before:g}" if before else "", *expected))
    return table(("stage", "s", "largest process, GB", "before, s", "target, s", ""), lines)


def bench(rounds: int, dry: bool) -> None:
    """Measure the last commit, print the table and write it; ``rounds`` runs with nothing to do, whose median counts.

    Raises:
        PipelineError: the commit can't be cloned, or a stage failed.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        clone = fresh_clone(Path(folder) / "clone")
        rows = measure(clone)
        rows.append(_whole(COLD, rows))
        idle = [sum(row.seconds for row in measure(clone)) for _ in range(rounds)]
        rows.append(Row(IDLE, statistics.median(idle)))
        add_photo(clone)
        rows.append(_whole(MORE, measure(clone)))
    text = f"{circumstances('make bench-pipeline')}\n\n{report(keep(CSV, rows, dry))}"
    publish(PAGE, {"bench": text}, dry)


if __name__ == "__main__":
    sys.exit(command(bench, __doc__, "make bench-pipeline", rounds=(5, "runs with nothing to do, whose median counts")))
