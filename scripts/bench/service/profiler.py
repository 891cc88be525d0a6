"""Where the processors' time of an answer goes: py-spy looks at the service under load, many times a second."""

import subprocess
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.core.errors import PipelineError
from scripts.bench.service import wrk
from scripts.bench.service.contenders import ROOT
from scripts.bench.service.report import table
from scripts.bench.service.server import Cores

PY_SPY: Final = ROOT / ".venv-bench/bin/py-spy"
LOOKS: Final = 200  # a second
PARTS: Final = (  # the first whose mark stands in a stack takes the sample
    ("inference (OpenVINO)", ("(openvino/", "_infer (bundle/engine.py")),
    ("decoding (Pillow)", ("(bundle/decode.py", "(service/inference/screening.py", "(PIL/")),
    ("metrics", ("(service/metrics.py", "(prometheus_client/")),
    ("log", ("(service/log.py", "(logging/")),
    ("the queue and its threads", ("(service/inference/queue.py", "(queue.py", "(threading.py")),
    ("limits, body, answer", ("(service/",)),
    ("HTTP, routing, event loop", ("",)),
)


def look(
    pid: int, seconds: float, url: str, bodies: list[Path], content_type: str, cores: Cores, scratch: Path
) -> dict[str, float]:
    """Put two clients on the service of process ``pid``; ms of processor time an answer, by part.

    Raises:
        PipelineError: py-spy or wrk failed.
    """
    raw = scratch / "samples"
    command = [
        str(PY_SPY), "record", "--pid", str(pid), "--subprocesses", "--duration", f"{seconds:.0f}",
        "--rate", str(LOOKS), "--format", "raw", "--output", str(raw),
    ]  # fmt: skip
    done: list[subprocess.CompletedProcess[str]] = []

    def spy() -> None:
        done.append(subprocess.run(command, capture_output=True, text=True, check=False))

    watcher = threading.Thread(target=spy)
    watcher.start()
    load, _ = wrk.run(url, bodies, content_type, clients=2, seconds=seconds, cores=cores.generator)
    watcher.join()
    if done[0].returncode or not raw.exists():
        raise PipelineError(f"py-spy failed: {done[0].stderr.strip()[-300:]}")
    return {part: samples / LOOKS * 1e3 / load.answers for part, samples in by_part(raw.read_text()).items()}


def by_part(raw: str) -> Counter[str]:
    """Count samples of each of `PARTS`: lines of frames joined by ``;``, a blank, and how often it was seen."""
    found: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, samples = line.rpartition(" ")
        inner = stack.partition("(service/cli/serve.py:")[2] or stack  # below lies what starts it
        part = next(name for name, marks in PARTS if any(mark in inner for mark in marks))
        found[part] += int(samples)
    return found


def report(profiles: Sequence[tuple[str, Mapping[str, float]]], seconds: float) -> str:
    """A table: a row a part, a column a variant."""
    rows = [(name, *(f"{profile.get(name, 0.0):.2f}" for _, profile in profiles)) for name, _ in PARTS]
    total = ("together", *(f"{sum(profile.values()):.2f}" for _, profile in profiles))
    head = ("processor time an answer, ms", *(variant for variant, _ in profiles))
    return f"{table(head, [*rows, total])}\n\nTwo clients, {seconds:g} s each, {LOOKS} looks a second."
