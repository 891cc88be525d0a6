"""ffmpeg as a child process: its own words when it fails, gone when this one is told to end.

ffmpeg-python builds the graphs, and could run them, too, but it hides what ffmpeg says and outlives an interruption.
"""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import GifError

Say = Callable[[str], None]  # tells how it goes

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


def ffmpeg(command: Sequence[str], about: Path) -> Done:
    """Run an ffmpeg ``command`` that has ``-progress pipe:1``; it is ended when this process is told to end.

    Raises:
        GifError: it failed, or the disk is full; the text names ``about`` and ffmpeg's last useful line.
    """
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        raise GifError(f"{command[0]} can't be run: {error.strerror}") from error
    told, said = (stream.decode(errors="replace") for stream in (done.stdout, done.stderr))
    lines = said.splitlines()[-KEPT_LINES:]
    if any("No space left on device" in line for line in lines):
        raise GifError(f"{about}: the disk is full, so nothing was made of it; free some space and run again")
    if done.returncode:
        raise GifError(f"{about}: {last_useful(lines) or f'ffmpeg ended with status {done.returncode}'}")
    frames, microseconds = (re.findall(rf"^{key}=(\d+)$", told, re.MULTILINE) for key in ("frame", "out_time_us"))
    return Done(int(frames[-1]) if frames else 0, int(microseconds[-1]) / 1e6 if microseconds else 0.0, tuple(lines))


def tell(text: str) -> None:
    """A line on stderr, so that stdout is free for what was made."""
    print(f"  {text}", file=sys.stderr, flush=True)


def silent(text: str) -> None:
    """Tell nothing."""


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
