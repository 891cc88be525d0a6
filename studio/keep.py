"""Keep: the whole pipeline runs on the photos as they are, and its policy decides about the model that comes out."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipeline.core import files
from pipeline.promote.stage import REPORT
from studio import dvc
from studio.errors import BusyError

RECORD = Path(".studio/keep.json")  # the last job, also after a restart
GIT = (
    "git add data.dvc dvc.lock params.yaml reports/evaluation.json",
    'git commit -m "Photos taught in the page, and the model of them"',
)
_EPOCH = re.compile(r"epoch (\d+)/(\d+)")
SHOWN_LINES = 12  # of a run that failed


@dataclass
class Job:
    """One run for Keep, as the page shows it."""

    id: int
    state: Literal["running", "done", "failed", "cancelled"] = "running"
    stage: str = ""
    stages: list[str] = field(default_factory=list)
    line: str = ""
    epoch: tuple[int, int] | None = None
    seconds: float = 0.0
    seconds_left: float | None = None
    outcome: str | None = None  # "promoted", "already champion", "refused"
    reasons: list[str] = field(default_factory=list)
    why: str = ""  # it failed
    git: list[str] = field(default_factory=list)
    model: str = ""  # that is the champion since, where one was promoted

    def write(self) -> None:
        """For the next studio."""
        files.write_json(RECORD, asdict(self))


def last() -> Job | None:
    """The last job; one that was running when the studio was killed has failed."""
    left = dvc.end_left_over()
    try:
        values: dict[str, Any] = json.loads(RECORD.read_text())
        job = Job(**values)
    except (OSError, ValueError, TypeError):
        return None
    if job.state == "running" or left:
        job.state, job.why = "failed", "the studio ended while it ran; nothing is lost, press Keep again"
        job.write()
    return job


async def run(job: Job, current: dvc.Run, changed: Callable[[], None]) -> None:
    """Run `dvc add data` and `dvc repro`, and note in ``job`` how it goes and ends.

    Args:
        job: what is filled in; ``changed`` is called after each change.
        current: what can be cancelled.
        changed: see there.
    """
    begun, clock, said = time.monotonic(), dvc.Clock(), list[str]()
    decided_before = REPORT.stat().st_mtime_ns if REPORT.exists() else 0
    job.stages = dvc.stages()

    def note(line: str) -> None:
        if stage := dvc.stage_of(line):
            job.stage, job.epoch = stage, None
            clock.begin(stage)
        elif line.strip():
            job.line = line.strip()[:200]
            said.append(job.line)
        if found := _EPOCH.search(line):
            job.epoch = int(found[1]), int(found[2])
        job.seconds, job.seconds_left = round(time.monotonic() - begun, 1), clock.left(job.stages)
        changed()

    try:
        for command in (("add", "-q", "data"), ("repro",)):
            async for line in current.lines(*command):
                note(line)
            if current.status or current.cancelled:
                break
        if current.cancelled:
            job.state, job.why = "cancelled", "cancelled; the photos are still here, and the draft answers"
        elif current.status:
            job.state, job.why = "failed", _why(said)
        else:
            clock.end()
            job.state = "done"
            _decided(job, decided_before)
    except BusyError as error:
        job.state, job.why = "failed", str(error)
    except BaseException:
        job.state, job.why = "failed", "the studio ended while it ran; nothing is lost, press Keep again"
        raise
    finally:
        job.seconds, job.seconds_left = round(time.monotonic() - begun, 1), None
        job.write()
        changed()


def _decided(job: Job, before: int) -> None:
    """What the policy has decided, in its own words."""
    report = json.loads(REPORT.read_text())
    is_new = REPORT.stat().st_mtime_ns != before
    job.outcome = report["decision"] if is_new else "already champion"
    job.reasons = list(report["reasons"]) if is_new else []
    if job.outcome == "promoted":
        job.model = report["champion"]["version"]
    if job.outcome != "refused":
        job.git = list(GIT)


def _why(said: list[str]) -> str:
    """The stage's own error, which its last lines hold."""
    start = next((i for i, line in enumerate(said) if line.startswith("error: ")), -SHOWN_LINES)
    lines = [line for line in said[start:] if "failed to reproduce" not in line][:SHOWN_LINES]
    return "\n".join(lines).removeprefix("error: ") or "it ended without a word"
