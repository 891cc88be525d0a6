"""DVC, run beside the studio: whether someone else runs it, and the run that keeps what was taught.

One run at a time. Its program, its stages and what they start are one process group, which is ended as a whole; a
record of it lets the next studio end what a killed one has left running.
"""

import asyncio
import fcntl
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import yaml

from pipeline.core import files
from studio.errors import BusyError

LOCK, RUNNING = Path(".dvc/tmp/lock"), Path(".dvc/tmp/rwlock")
RECORD = Path(".studio/run.json")  # of the process group at work
ANOTHER = "another `dvc` command works here; wait until it is done, or end it"
GRACE_S = 10.0  # from the request to end to the end by force
_STAGE = re.compile(r"(?:Running stage|Stage) '([\w-]+)'")


def busy() -> str:
    """Which other DVC command works on the photos now, as a sentence; empty where none does."""
    with suppress(OSError), LOCK.open("r+") as file:  # DVC holds it while it reads and writes its own files
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return ANOTHER
    try:
        held = json.loads(RUNNING.read_text() or "{}")  # and notes here which paths a stage reads and writes meanwhile
    except (OSError, ValueError):
        return ""
    holders = [each for part in held.values() for each in (*part.get("read", ()), part.get("write") or {})]
    for each in holders:
        if each and psutil.pid_exists(int(each["pid"])):
            return f"`{each.get('cmd', 'dvc')}` (process {each['pid']}) works here; wait until it is done, or end it"
    return ""


def command(*arguments: str) -> tuple[str, ...]:
    """A command of DVC, as this environment has it."""
    return sys.executable, "-m", "dvc", *arguments


def environment() -> dict[str, str]:
    """The variables for it: stages call `python`, which has to be this one."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def end_left_over() -> bool:
    """End the run that a killed studio has left; whether there was one."""
    try:
        kept = json.loads(RECORD.read_text())
        process = psutil.Process(kept["pid"])
        is_ours = abs(process.create_time() - kept["created"]) < 1  # else another process has the number by now
        if is_ours:
            os.killpg(kept["pid"], signal.SIGTERM)
            with suppress(psutil.TimeoutExpired):
                process.wait(GRACE_S)
            with suppress(ProcessLookupError):
                os.killpg(kept["pid"], signal.SIGKILL)
    except (OSError, ValueError, KeyError, psutil.NoSuchProcess):
        is_ours = False
    existed = RECORD.exists()
    RECORD.unlink(missing_ok=True)
    return existed


class Run:
    """One command of DVC."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self.cancelled = False
        self.status = 0

    async def lines(self, *arguments: str) -> AsyncIterator[str]:
        """What it prints, line by line; its exit status is in ``status`` afterwards.

        Raises:
            BusyError: another command works here.
        """
        if why := await asyncio.to_thread(busy):
            raise BusyError(why)
        self._process = process = await asyncio.create_subprocess_exec(
            *command(*arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=1 << 20,
            env=environment() | {"PYTHONUNBUFFERED": "1"},
        )
        try:
            created = psutil.Process(process.pid).create_time()
            files.write_json(RECORD, {"pid": process.pid, "created": created})
            assert process.stdout is not None
            async for line in process.stdout:
                yield line.decode(errors="replace").rstrip().rpartition("\r")[2]
            self.status = await process.wait()
        finally:
            await self._end()
            RECORD.unlink(missing_ok=True)

    def cancel(self) -> None:
        """End it, and all that it has started."""
        self.cancelled = True
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), GRACE_S)
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)


def stage_of(line: str) -> str:
    """The stage that a line of `dvc repro` begins, or skips; empty for other lines."""
    found = _STAGE.match(line)
    return found[1] if found else ""


class Clock:
    """How long each stage took the last time, for the time to go."""

    def __init__(self, path: Path = Path(".studio/stages.json")) -> None:
        self._path = path
        try:
            self._kept: dict[str, float] = json.loads(path.read_text())
        except (OSError, ValueError):
            self._kept = {}
        self._now: dict[str, float] = {}
        self._begun = 0.0
        self._stage = ""

    def begin(self, stage: str) -> None:
        """A stage begins, and the one before has ended."""
        now = time.monotonic()
        if self._stage:
            self._now[self._stage] = round(now - self._begun, 2)
        self._stage, self._begun = stage, now

    def end(self) -> None:
        """All of them have ended well."""
        self.begin("")
        with suppress(Exception):
            files.write_json(self._path, self._kept | self._now)

    def left(self, stages: list[str]) -> float | None:
        """Seconds to go, as far as it is known."""
        if not self._kept or self._stage not in stages:
            return None
        rest = sum(self._kept.get(stage, 0.0) for stage in stages[stages.index(self._stage) + 1 :])
        return max(0.0, self._kept.get(self._stage, 0.0) - (time.monotonic() - self._begun)) + rest


def stages() -> list[str]:
    """The stages of dvc.yaml, in its order."""
    described: Any = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))
    return list(described["stages"])
