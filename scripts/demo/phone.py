"""The page on a phone that is not there: a browser, what it shows, and what it says meanwhile.

Chromium's screencast gives sharp pictures with their times; Playwright's own recorder gives VP8 at 1 Mbit/s.
"""

import base64
import math
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, sync_playwright

from pipeline.core.errors import PipelineError
from scripts.demo.film import BITS, FPS, MARK
from scripts.demo.script import Screen
from scripts.demo.teaching import Teaching
from scripts.dev.browser import launch

LIVE_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.1
QUALITY: Final = 95  # of the JPEGs
EVERY: Final = 2  # of 60 pictures a second: the recording has 30, and a lesson needs the processor, too

# What the page says now, and how far its camera's film is: the number in the corner of its frame.
SAID: Final = """([mark, [rows, columns]]) => {
  const at = (name) => document.querySelector(`[data-testid="${name}"]`);
  const stage = at('stage'), words = at('words'), video = document.querySelector('video');
  if (!stage || !words) return null;
  let frame = 0;
  if (video?.videoWidth) {
    const context = new OffscreenCanvas(columns, rows).getContext('2d', { willReadFrequently: true });
    context.imageSmoothingEnabled = false;
    context.drawImage(video, 0, 0, columns * mark, rows * mark, 0, 0, columns, rows);
    const { data } = context.getImageData(0, 0, columns, rows);
    for (let bit = 0; bit < rows * columns; bit++) frame = 2 * frame + (data[4 * bit] > 127 ? 1 : 0);
  }
  return {
    state: stage.dataset.state, problem: at('problem')?.textContent ?? '', frame,
    model: words.dataset.model, answer: words.dataset.answer,
    rate: Number(at('fps')?.textContent), median: Number(at('p50')?.textContent), // NaN while Teach takes their place
  };
}"""

# The camera of a phone that looks away from its holder, so that the page shows no mirror.
AWAY: Final = """
const settings = MediaStreamTrack.prototype.getSettings;
MediaStreamTrack.prototype.getSettings = function () {
  return { ...settings.call(this), facingMode: 'environment' };
};
"""


@dataclass(frozen=True)
class Said:
    """What the page said at a moment."""

    at: float  # seconds of the clock
    film: float  # seconds since the begin of the camera's film
    answer: str  # the label; empty for none of them
    rate: float  # answers a second; NaN where the page does not say it
    median: float  # ms of the round trip, half of the last answers were faster; likewise


@dataclass
class Recorded:
    """What was seen from ``begin`` on, in seconds of the browser's clock."""

    begin: float = 0.0
    pictures: list[tuple[float, bytes]] = field(default_factory=list)  # JPEGs and when each was shown, in their order
    said: list[Said] = field(default_factory=list)  # ten times a second
    frames: int = 0  # that were taught
    released: float = math.inf  # when the button was let go with which they were taught


@contextmanager
def phone(screen: Screen, camera: Path, address: str) -> Iterator[Page]:
    """A browser of that size in which the page at ``address`` runs; ``camera`` is a film.

    Raises:
        PipelineError: there is no browser, or it broke.
    """
    try:
        with sync_playwright() as playwright:
            browser = launch(playwright, camera=camera, extra=["--hide-scrollbars"])
            try:
                size: Any = screen.model_dump()
                page = browser.new_page(viewport=size, color_scheme="light", has_touch=True, is_mobile=True)
                page.add_init_script(AWAY)
                page.goto(address)
                yield page
            finally:
                browser.close()
    except BrowserError as error:
        raise PipelineError(f"the browser failed: {error.message.splitlines()[0]}") from error


def await_live(page: Page) -> None:
    """Wait until the page shows the camera and has an answer.

    Raises:
        PipelineError: it has a problem; its own words are in the text.
        BrowserError: it takes longer than `LIVE_WITHIN_S`.
    """
    live = page.locator('[data-testid="stage"][data-state="live"]')
    live.or_(page.locator('[data-testid="problem"]')).first.wait_for(timeout=LIVE_WITHIN_S * 1000)
    _look(page)
    answered = page.locator('[data-testid="words"][data-model]:not([data-model=""])')
    answered.wait_for(state="attached", timeout=LIVE_WITHIN_S * 1000)


def record(page: Page, rounds: int, seconds: float, begin: float = 0, label: str = "") -> Recorded:
    """Record what is seen for ``seconds``, once the camera has played its film ``rounds`` times.

    Args:
        page: live.
        rounds: see above.
        seconds: of the film.
        begin: second of the film at which the camera sets out for what is taught.
        label: what the page is taught, if anything.

    Raises:
        PipelineError: the page has a problem.
        BrowserError: it lets nobody teach it.
    """
    recorded = Recorded()
    teaching = Teaching(page)
    steps = deque(teaching.steps(label) if label else ())
    session = page.context.new_cdp_session(page)

    def seen(frame: dict[str, Any]) -> None:
        if not recorded.begin:
            recorded.pictures.clear()  # the last one before the begin is what is seen at it
        recorded.pictures.append((frame["metadata"]["timestamp"], base64.b64decode(frame["data"])))
        with suppress(BrowserError):  # the last one comes when the browser is closed already
            session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    session.on("Page.screencastFrame", seen)
    # From here on, as it takes its part of the machine: the chart of times would show where it began.
    session.send("Page.startScreencast", {"format": "jpeg", "quality": QUALITY, "everyNthFrame": EVERY})
    at = _look(page).film
    while rounds > 0 or not recorded.pictures:
        page.wait_for_timeout(LOOK_EVERY_S * 1000)
        before, at = at, _look(page).film
        rounds -= at < before
    recorded.begin = time.time()
    while steps or time.time() - recorded.begin < seconds:
        recorded.said.append(_look(page))
        while steps and begin + steps[0][0] <= time.time() - recorded.begin:
            steps.popleft()[1]()
        page.wait_for_timeout(LOOK_EVERY_S * 1000)
    session.send("Page.stopScreencast")
    recorded.frames, recorded.released = teaching.frames, teaching.released
    return recorded


def _look(page: Page) -> Said:
    now = page.evaluate(SAID, [MARK, BITS])
    if now["problem"]:
        raise PipelineError(f"the page has a problem: {now['problem']}")
    return Said(time.time(), now["frame"] / FPS, *(now[name] for name in ("answer", "rate", "median")))
