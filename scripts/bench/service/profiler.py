"""Where the processors' time of an answer goes: py-spy looks at the service under load, many times a second."""

import subprocess
import threading
from collections import Counter
from typing import Final

from pipeline.core.errors import PipelineError
from scripts.bench import load
from scripts.bench.load import Target
from scripts.bench.process import Cores, Server
from scripts.bench.results import table
from scripts.bench.service.contenders import BENCH, EARLIER, SERVED, promoted

PY_SPY: Final = BENCH / "py-spy"
LOOKS: Final = 200  # a second
CLIENTS: Final = 2
STARTS_S: Final = 3.0  # that py-spy takes to start, at most
GIL: Final = "of it holding the interpreter's lock"
REST: Final = "HTTP, event loop, threads"
PARTS: Final = (  # the first of which a mark stands in the innermost frame that has one takes the sample
    ("inference", ("(openvino/", "(onnxruntime/", "_infer (bundle/engine.py", "run (service/engine.py")),
    ("decoding", ("/decode.py", "(PIL/")),
    ("metrics and log", ("/metrics.py", "(prometheus_client/", "/log.py", "(logging/")),
    ("the rest of service/", ("(service/", "(bundle/", "(pydantic/")),
    (REST, ("(uvicorn/", "(starlette/", "(fastapi/", "(asyncio/", "(threading.py", "(queue.py")),
)


def compare(seconds: float) -> str:
    """ms of processor time an answer by part, of the service before and now, as a table.

    Raises:
        PipelineError: a server does not start, py-spy is not there or may not look.
    """
    columns: dict[str, dict[str, float]] = {}
    with promoted() as run:
        for who in (EARLIER, SERVED):
            with who.started(run) as (server, target):
                columns[who.name] = look(server, target, run.cores, seconds)
                columns[who.name][GIL] = sum(look(server, target, run.cores, seconds, gil=True).values())
    names = [name for name, _ in PARTS]
    rows = [(name, *(f"{each.get(name, 0):.2f}" for each in columns.values())) for name in names]
    rows.append(("together", *(f"{sum(each.get(name, 0) for name in names):.2f}" for each in columns.values())))
    rows.append((GIL, *(f"{each[GIL]:.2f}" for each in columns.values())))
    return table(("processor time an answer, ms", *columns), rows)


def look(server: Server, target: Target, cores: Cores, seconds: float, *, gil: bool = False) -> dict[str, float]:
    """Put two clients on the service; ms an answer by part: of processor time, or of holding the lock (``gil``).

    Raises:
        PipelineError: py-spy or wrk failed.
    """
    if not PY_SPY.exists():
        raise PipelineError(f"{PY_SPY} is missing; `make bench` sets its environment up")
    raw = server.log.with_suffix(".samples")
    command = [
        str(PY_SPY), "record", "--pid", str(server.process.pid), "--subprocesses", "--duration", f"{seconds:.0f}",
        "--rate", str(LOOKS), "--format", "raw", "--output", str(raw), *(["--gil"] if gil else []),
    ]  # fmt: skip
    done: list[subprocess.CompletedProcess[str]] = []
    watcher = threading.Thread(
        target=lambda: done.append(subprocess.run(command, capture_output=True, text=True, check=False))
    )
    watcher.start()
    found = load.closed(target, clients=CLIENTS, seconds=seconds + STARTS_S, cores=cores.generator)
    watcher.join()
    if done[0].returncode or not raw.exists():
        raise PipelineError(f"py-spy failed: {done[0].stderr.strip()[-300:]}")
    samples = by_part(raw.read_text(encoding="utf-8"))
    answers = found.answers / found.seconds * seconds  # while py-spy looked
    return {part: count / LOOKS * 1e3 / answers for part, count in samples.items()}


def by_part(raw: str) -> Counter[str]:
    """Count samples of each of `PARTS`: lines of frames joined by ``;``, a blank, and how often it was seen."""
    found: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = reversed(stack.split(";"))
        parts = (name for frame in frames for name, marks in PARTS if any(mark in frame for mark in marks))
        found[next(parts, REST)] += int(samples)
    return found
