"""How far a pass is and how long it takes yet: on a terminal as a line that moves, elsewhere a line when it is done."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .run import Report

EVERY_S = 0.1
ANEW = "\r\x1b[K"  # back to the start of the line, and nothing in it
GUESS_UNTIL_S = 0.5  # the time left is a guess before that


class Progress:
    """Progress that nobody looks at; `Terminal` shows it."""

    @contextmanager
    def step(self, name: str, seconds: float) -> Iterator[Report]:  # noqa: ARG002 - Terminal shows them
        """A pass called ``name`` over so many ``seconds`` of film; the block reports seconds done."""
        yield _nowhere

    def say(self, text: str) -> None:
        """Something that is worth knowing."""


class Terminal(Progress):
    """Progress on stderr, so that stdout is free for what was made."""

    def __init__(self) -> None:
        self._moves = sys.stderr.isatty()

    @contextmanager
    def step(self, name: str, seconds: float) -> Iterator[Report]:
        """See `Progress.step`; the line of a pass that failed stays where it was."""
        began = shown = time.monotonic()

        def report(done: float) -> None:
            nonlocal shown
            now = time.monotonic()
            if not self._moves or now - shown < EVERY_S:
                return
            shown = now
            part = min(done / seconds, 1.0) if seconds else 0.0
            left = ""
            if part and now - began > GUESS_UNTIL_S:
                left = f", {(now - began) * (1 - part) / part:.0f} s left"
            print(f"{ANEW}  {name} {part:4.0%}{left}", end="", file=sys.stderr, flush=True)

        try:
            yield report
        except BaseException:
            if self._moves:
                print(file=sys.stderr)
            raise
        took = time.monotonic() - began
        print(f"{ANEW if self._moves else ''}  {name} {took:.1f} s", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """A line of its own."""
        print(f"  {text}", file=sys.stderr, flush=True)


def _nowhere(_: float) -> None:
    """A report that nobody reads."""
