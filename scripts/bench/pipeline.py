"""How long `dvc repro` takes in a fresh clone, stage by stage, after one more photo, and with nothing to do.

Targets on 2 quiet cores, with a probe: cold 30 s, after one more photo 15 s, nothing to do 1 s, under 3 GB.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from PIL import Image

from scripts.dev.clone import environment, fresh_clone

STAGE = re.compile(r"Running stage '([\w-]+)'")
SAMPLED_EVERY = 0.2  # seconds between two looks at the memory
TARGETS = {"cold": 30.0, "one more photo": 15.0, "nothing to do": 1.0, "memory": 3.0}  # seconds; GB


@dataclass
class Measured:
    """Seconds and peak memory (GB, resident, the whole tree of processes) of each stage, in their order."""

    seconds: dict[str, float] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)


def resident(process: psutil.Process) -> int:
    """Bytes of memory that a process and all its descendants hold; pages that they share count for each."""
    total = 0
    try:
        for one in [process, *process.children(recursive=True)]:
            total += one.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # it ended between two looks
    return total


def measure(clone: Path) -> Measured:
    """Run ``dvc repro`` in ``clone`` and attribute time and memory to the stage that is running.

    Raises:
        subprocess.CalledProcessError: a stage failed; its output was shown.
    """
    result = Measured()
    stage = "start"
    begun = time.monotonic()
    done = threading.Event()
    command = ["dvc", "repro"]
    with subprocess.Popen(
        command, cwd=clone, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as repro:
        watched = psutil.Process(repro.pid)

        def watch() -> None:
            while not done.wait(SAMPLED_EVERY):
                now = stage
                result.memory[now] = max(result.memory.get(now, 0.0), resident(watched) / 1e9)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        assert repro.stdout is not None
        for line in repro.stdout:
            print(line, end="", flush=True)
            if found := STAGE.search(line):
                result.seconds[stage] = time.monotonic() - begun
                stage, begun = found.group(1), time.monotonic()
        result.seconds[stage] = time.monotonic() - begun
        done.set()
        watcher.join()
    if repro.returncode:
        raise subprocess.CalledProcessError(repro.returncode, command)
    return result


def nothing_to_do(clone: Path, rounds: int) -> list[float]:
    """Seconds of each of ``rounds`` runs of ``dvc repro`` after a complete one."""
    seconds = []
    for _ in range(rounds):
        started = time.monotonic()
        subprocess.run(["dvc", "repro", "--quiet"], cwd=clone, env=environment(), check=True)
        seconds.append(time.monotonic() - started)
    return seconds


def one_more_photo(clone: Path) -> float:
    """Seconds of ``dvc repro`` after a photo was added: one of the set, cut, so that it is another one."""
    photo = sorted((clone / "data/images/art").glob("*.jpg"))[0]
    with Image.open(photo) as image:
        width, height = image.size
        image.crop((width // 4, height // 4, width, height)).save(photo.with_name("one-more.jpg"), quality=92)
    for command in (["python", "-m", "pipeline.data", "adopt"], ["dvc", "add", "--quiet", "data"]):
        subprocess.run(command, cwd=clone, env=environment(), check=True)
    return sum(measure(clone).seconds.values())


def table(measured: Measured, more: float, idle: Sequence[float]) -> str:
    """The figures as a Markdown table, each target beside its figure."""
    cold = sum(measured.seconds.values())
    rows = [
        (name, f"{seconds:.1f}", f"{measured.memory.get(name, 0):.2f}") for name, seconds in measured.seconds.items()
    ]
    rows.append(("**cold, all stages**", f"{cold:.1f}", f"{max(measured.memory.values(), default=0):.2f}"))
    rows.append(("**after one more photo**", f"{more:.1f}", ""))
    rows.append((f"**nothing to do** (median of {len(idle)})", f"{statistics.median(idle):.2f}", ""))
    figures = {
        "cold": cold,
        "one more photo": more,
        "nothing to do": statistics.median(idle),
        "memory": max(measured.memory.values(), default=0.0),
    }
    lines = ["| stage | seconds | peak memory, GB |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {seconds} | {memory} |" for name, seconds, memory in rows]
    lines += [""]
    lines += [
        f"- {name}: {figures[name]:.2f}, target {target:g}, ratio {figures[name] / target:.2f}"
        + ("" if figures[name] <= target else " **missed**")
        for name, target in TARGETS.items()
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the last commit and print the table; exit status 1 where a stage failed."""
    parser = argparse.ArgumentParser(prog="make bench-pipeline", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="runs with nothing to do (default 5)")
    arguments = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            clone = fresh_clone(Path(folder) / "clone")
            measured = measure(clone)
            idle = nothing_to_do(clone, arguments.rounds)
            more = one_more_photo(clone)
    except subprocess.CalledProcessError as error:
        print(f"error: {' '.join(map(str, error.cmd))} failed (see above)", file=sys.stderr)
        return 1
    load = os.getloadavg()[0]
    print(f"\n{os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB, load {load:.1f}\n")
    print(table(measured, more, idle))
    return 0


if __name__ == "__main__":
    sys.exit(main())
