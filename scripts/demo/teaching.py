"""The last picture is taught: a thumb opens Teach, types a label, holds the button, lets go and closes Teach again."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from playwright.sync_api import Locator, Page

from scripts.bench.load import ROOT
from scripts.bench.teach.project import copied, studio
from service.settings import Settings

OPENED_S: Final = 1.5  # after the camera has set out for the picture: the page has said what it is
FIELD_S: Final = 0.5  # until the thumb is at the next thing
LETTER_S: Final = 0.12  # from one letter to the next
HOLD_S: Final = 2.4  # that the button is held
LOOK_S: Final = 4.2  # from the release until Teach is closed: the draft answers by then

# Of the photos, as git's user, so that the page does not ask for it.
AUTHOR: Final = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "demo"}

Step = tuple[float, Callable[[], None]]  # seconds after the camera has set out, and what is done then


@contextmanager
def classroom(folder: Path) -> Iterator[str]:
    """A studio with the promoted model and the photos, copied to ``folder``; its address, with the token.

    Raises:
        PipelineError: it does not start.
    """
    page = ROOT / Settings.model_fields["page"].default
    with studio(copied(folder), PYTHONPATH=str(ROOT), PAGE=str(page), **AUTHOR) as one:
        yield one.entrance


class Teaching:
    """Teaches a label on the page.

    Attributes:
        frames: that were taken while the button was held.
        released: when it was let go, in seconds of the clock; infinite before.
    """

    def __init__(self, page: Page) -> None:
        """Nothing is done yet."""
        self.frames = 0
        self.released = float("inf")
        self._page = page
        self._touch = page.context.new_cdp_session(page)  # Playwright's own touch can't be held

    def steps(self, label: str) -> list[Step]:
        """What is done when, in its order; each raises playwright's error where the page does not let it."""
        typed = OPENED_S + 2 * FIELD_S
        held = typed + LETTER_S * len(label) + FIELD_S
        letters = [
            (typed + LETTER_S * place, partial(self._page.keyboard.press, letter)) for place, letter in enumerate(label)
        ]
        return [
            (OPENED_S, partial(self._tap, "teach-toggle")),
            (OPENED_S + FIELD_S, partial(self._tap, "new-label")),
            *letters,
            (held, self._hold),
            (held + HOLD_S, self._release),
            (held + HOLD_S + 2 * FIELD_S, self._scroll),
            (held + HOLD_S + LOOK_S, partial(self._tap, "teach-close")),
        ]

    def _at(self, name: str) -> Locator:
        return self._page.get_by_test_id(name)

    def _tap(self, name: str) -> None:
        self._at(name).tap()

    def _hold(self) -> None:
        button = self._at("hold").and_(self._page.locator("[aria-disabled=false]"))
        box = button.evaluate("(hold) => hold.getBoundingClientRect().toJSON()")
        point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        self._touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})

    def _release(self) -> None:
        self.frames = int(self._at("hold").inner_text().split()[0])
        self._touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        self.released = time.time()

    def _scroll(self) -> None:
        """As a thumb would, so that all of the photos that were taken is seen."""
        self._at("shots").scroll_into_view_if_needed()
