"""ffmpeg as a child process: progress while it runs, its own words when it fails, gone when this one is told to.

ffmpeg-python builds the graphs, and could run them, too, but it tells no progress and hides what ffmpeg says.
"""

import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .errors import GifError
from .progress import Report

GRACE_S = 5  # for a child that was told to end
KEPT_LINES = 40

# What follows from an error that ffmpeg has told before, or is no error.
NOT_USEFUL = re.compile(
    r"Conversion failed|^Exiting|Error opening (input|output)|Nothing was written|Output file is empty|"
    r"Error (submitting|sending|reinitializing|while filtering)|Failed to (configure|inject)|Could not open encoder|"
    r"^Svt\[|(Task finished|Terminating thread|terminated) with|^frame=|Last message repeated|low score|"
    r"At least one output"
)


@dataclass(frozen=True)
class Done:
    """What an ffmpeg that succeeded has told: frames and seconds written, its last lines of stderr."""

    frames: int
    seconds: float
    lines: tuple[str, ...]


def ffmpeg(command: Sequence[str], about: Path, report: Report) -> Done:
    """Run an ffmpeg ``command`` that has ``-progress pipe:1``.

    Raises:
        GifError: it failed, or the disk is full; the text names ``about`` and ffmpeg's last useful line.
    """
    frames, seconds = 0, 0.0
    with tempfile.TemporaryFile() as words, _child(command, words) as running:
        assert running.stdout
        for line in running.stdout:
            key, _, value = line.decode(errors="replace").strip().partition("=")
            if key == "frame":
                frames = int(value)
            elif key == "out_time_us" and value.lstrip("-").isdigit():
                seconds = max(0.0, int(value) / 1e6)
                report(seconds)
        running.wait()
        words.seek(0)
        lines = words.read().decode(errors="replace").splitlines()[-KEPT_LINES:]
    if any("No space left on device" in line for line in lines):
        raise GifError(f"{about}: the disk is full, so nothing was made of it; free some space and run again")
    if running.returncode:
        raise GifError(f"{about}: {last_useful(lines) or f'ffmpeg ended with status {running.returncode}'}")
    return Done(frames, seconds, tuple(lines))


@contextmanager
def _child(command: Sequence[str], words: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """A child process with its stdout piped and its stderr in ``words``; it is ended if it outlives the block."""
    try:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words)
    except OSError as error:
        raise GifError(f"{command[0]} can't be run: {error.strerror}") from error
    with running:  # waits, and closes the pipe
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                running.kill()


def end_as_on_ctrl_c() -> None:
    """Being told to end, or losing the terminal, ends the child too and removes what it wrote."""
    for name in ("SIGTERM", "SIGHUP"):  # Windows has one of them
        if hasattr(signal, name):
            signal.signal(signal.Signals[name], signal.default_int_handler)


def last_useful(lines: Sequence[str]) -> str:
    """The last line of ``lines`` that says what happened, without the addresses of the parts that say it.

    Of an ffmpeg that says nothing but consequences it is the last of these.
    """
    texts = [re.sub(r"(\[[^\]]* @ 0x[0-9a-f]+\] )+", "", line.strip()) for line in lines]
    useful = [text for text in texts if text and not NOT_USEFUL.search(text)] or [text for text in texts if text]
    return f"ffmpeg says: {useful[-1]}" if useful else ""
