"""How far a pass is and how long it takes yet: on a terminal as a line that moves, elsewhere a line when it is done."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[float], None]  # seconds of film done

ANEW = "\r\x1b[K"  # back to the start of the line, and nothing in it


class Progress:
    """Progress on stderr, so that stdout is free for what was made; unless it is ``shown`` nothing is written."""

    def __init__(self, *, shown: bool = False) -> None:
        self._shown = shown

    @contextmanager
    def step(self, name: str, seconds: float) -> Iterator[Report]:
        """A pass called ``name`` over so many ``seconds`` of film; the block reports seconds done.

        The line of a pass that failed stays where it was.
        """
        moves = self._shown and sys.stderr.isatty()
        began = time.monotonic()

        def report(done: float) -> None:
            if moves and done and seconds:
                part = min(done / seconds, 1.0)
                left = (time.monotonic() - began) * (1 - part) / part
                print(f"{ANEW}  {name} {part:4.0%}, {left:.0f} s left", end="", file=sys.stderr, flush=True)

        try:
            yield report
        except BaseException:
            if moves:
                print(file=sys.stderr)
            raise
        self.say(f"{ANEW if moves else ''}{name} {time.monotonic() - began:.1f} s")

    def say(self, text: str) -> None:
        """A line of its own."""
        if self._shown:
            print(f"  {text}", file=sys.stderr, flush=True)
