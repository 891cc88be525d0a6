"""Ctrl-C, being told to end, a terminal that is closed: no file is left, no child goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.gif.conftest import PACKED, Film
from tests.small_project import ROOT

LIMIT_S = 60


def until(condition: Callable[[], bool]) -> None:
    """Wait for ``condition``, for as long as a busy machine may need."""
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    """Under `make test &` SIGINT is ignored, and what is started would ignore it, too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_of_an_interrupted_run(told: signal.Signals, film: Film, out: Path, tmp_path: Path) -> None:
    recording, child = film(), tmp_path / "child"
    # An ffmpeg that knows all that it should, and never ends when it is to work.
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(
        f"""#!/bin/sh
        case "$*" in *-progress*) echo $$ > {child}.new; mv {child}.new {child}; exec sleep 1000;; esac
        exec "{PACKED}" "$@"
        """,
        encoding="utf-8",
    )
    program.chmod(0o755)
    running = subprocess.Popen(
        [sys.executable, "-m", "scripts.gif", str(recording), "-o", str(out / "new" / "a.gif")],
        cwd=ROOT,
        env=os.environ | {"IMAGEIO_FFMPEG_EXE": str(program)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(child.exists)
        assert list(out.rglob(".gif-*")), "it has begun"
        running.send_signal(told)
        _, said = running.communicate(timeout=LIMIT_S)
    finally:
        running.kill()
        running.wait()
    assert running.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert not list(out.iterdir())
    until(lambda: ended(int(child.read_text())))


def ended(pid: int) -> bool:
    """Whether a process is over, also where nobody has asked for its exit status yet."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
