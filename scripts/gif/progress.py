"""How far a pass is and how long it takes yet: on a terminal as a line that moves, elsewhere a line when it is done."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[float], None]  # seconds of film done

EVERY_S = 0.1
ANEW = "\r\x1b[K"  # back to the start of the line, and nothing in it
GUESS_UNTIL_S = 0.5  # the time left is a guess before that


class Progress:
    """Progress that nobody looks at; `Terminal` shows it."""

    @contextmanager
    def step(self, name: str, seconds: float) -> Iterator[Report]:  # noqa: ARG002 - Terminal shows them
        """A pass called ``name`` over so many ``seconds`` of film; the block reports seconds done."""
        yield lambda done: None  # noqa: ARG005

    def say(self, text: str) -> None:
        """Something that is worth knowing."""


class Terminal(Progress):
    """Progress on stderr, so that stdout is free for what was made."""

    @contextmanager
    def step(self, name: str, seconds: float) -> Iterator[Report]:
        """See `Progress.step`; the line of a pass that failed stays where it was."""
        moves = sys.stderr.isatty()
        began = shown = time.monotonic()

        def report(done: float) -> None:
            nonlocal shown
            now = time.monotonic()
            if not moves or now - shown < EVERY_S:
                return
            shown = now
            part = min(done / seconds, 1.0) if seconds else 0.0
            known = part and now - began > GUESS_UNTIL_S
            left = f", {(now - began) * (1 - part) / part:.0f} s left" if known else ""
            print(f"{ANEW}  {name} {part:4.0%}{left}", end="", file=sys.stderr, flush=True)

        try:
            yield report
        except BaseException:
            if moves:
                print(file=sys.stderr)
            raise
        self.say(f"{ANEW if moves else ''}{name} {time.monotonic() - began:.1f} s")

    def say(self, text: str) -> None:
        """A line of its own."""
        print(f"  {text}", file=sys.stderr, flush=True)
