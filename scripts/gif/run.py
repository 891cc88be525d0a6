"""ffmpeg as a child process: progress while it runs, its own words when it fails, gone when this one is told to."""

import re
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.core.errors import StorageError
from scripts.gif.errors import FfmpegError

Report = Callable[[float], None]  # seconds of film done
GRACE_S = 5  # for a child that was told to end
KEPT_LINES = 40

# What follows from an error that ffmpeg has told before, or is no error.
NOT_USEFUL = re.compile(
    r"Conversion failed|^Exiting|Error opening (input|output)|Nothing was written|Output file is empty|"
    r"Error (submitting|sending|reinitializing|while filtering)|Failed to (configure|inject)|Could not open encoder|"
    r"(Task finished|Terminating thread|terminated) with|^frame=|Last message repeated|low score"
)


@dataclass(frozen=True)
class Done:
    """What an ffmpeg that succeeded has told: frames and seconds written, its last lines of stderr."""

    frames: int
    seconds: float
    lines: tuple[str, ...]


def ffmpeg(command: Sequence[str], about: Path, report: Report | None = None) -> Done:
    """Run an ffmpeg ``command`` that has ``-progress pipe:1``.

    It runs in a session of its own, so that Ctrl-C reaches this process alone, which ends it and waits for it.

    Raises:
        StorageError: the disk is full.
        FfmpegError: it failed; the text names ``about`` and ffmpeg's last useful line.
    """
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise FfmpegError(f"{command[0]} can't be started: {error.strerror}") from error
    assert child.stdout
    assert child.stderr
    lines: deque[str] = deque(maxlen=KEPT_LINES)
    errors = child.stderr
    reader = threading.Thread(
        target=lambda: lines.extend(line.decode(errors="replace").rstrip() for line in errors)
    )
    reader.start()
    frames, seconds = 0, 0.0
    try:
        for line in child.stdout:
            key, _, value = line.decode(errors="replace").strip().partition("=")
            if key == "frame":
                frames = int(value)
            elif key == "out_time_us" and value.lstrip("-").isdigit():
                seconds = max(0.0, int(value) / 1e6)
                if report:
                    report(seconds)
        child.wait()
    except BaseException:
        stop(child)
        raise
    finally:
        reader.join()
        child.stdout.close()
        child.stderr.close()
    if any("No space left on device" in line for line in lines):
        raise StorageError(
            f"{about}: the disk is full, so nothing was made of it; free some space and run again"
        )
    if child.returncode:
        raise FfmpegError(f"{about}: {last_useful(lines) or f'ffmpeg ended with status {child.returncode}'}")
    return Done(frames, seconds, tuple(lines))


def stop(child: subprocess.Popen[bytes]) -> None:
    """End ``child`` and wait until it has."""
    child.terminate()
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def end_as_on_ctrl_c() -> None:
    """Being told to end, or losing the terminal, ends the child too and removes what it wrote."""
    for told in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(told, signal.default_int_handler)


def last_useful(lines: Sequence[str]) -> str:
    """The last line of ``lines`` that says what happened, without the addresses of the parts that say it.

    Of an ffmpeg that says nothing but consequences it is the last of these.
    """
    texts = [re.sub(r"(\[[^\]]* @ 0x[0-9a-f]+\] )+", "", line.strip()) for line in lines]
    useful = [text for text in texts if text and not NOT_USEFUL.search(text)] or [
        text for text in texts if text
    ]
    return f"ffmpeg says: {useful[-1]}" if useful else ""
