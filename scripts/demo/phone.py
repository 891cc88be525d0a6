"""The page on a phone that is not there: a browser, what it shows, and what it says meanwhile."""

import base64
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, sync_playwright

from pipeline.core.errors import PipelineError
from scripts.demo.film import BITS, FPS, MARK
from scripts.demo.script import Press, Screen
from scripts.dev.browser import launch

LIVE_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.1
QUALITY: Final = 95  # of the JPEGs
TOUCH_S: Final = 0.5

# What the page says now, and how far its camera's film is: the number at the left edge of its frame.
SAID: Final = """([mark, bits]) => {
  const at = (name) => document.querySelector(`[data-testid="${name}"]`);
  const stage = at('stage'), words = at('words'), video = document.querySelector('video');
  if (!stage || !words) return null;
  let frame = 0;
  if (video?.videoWidth) {
    const context = new OffscreenCanvas(1, bits).getContext('2d', { willReadFrequently: true });
    context.imageSmoothingEnabled = false;
    context.drawImage(video, mark / 2, 0, 1, video.videoHeight, 0, 0, 1, bits);
    const { data } = context.getImageData(0, 0, 1, bits);
    for (let bit = 0; bit < bits; bit++) frame = 2 * frame + (data[4 * bit] > 127 ? 1 : 0);
  }
  return {
    state: stage.dataset.state, problem: at('problem')?.textContent ?? '', frame,
    model: words.dataset.model, answer: words.dataset.answer,
    rate: Number(at('fps').textContent), median: Number(at('p50').textContent), slow: Number(at('p95').textContent),
  };
}"""

# The camera of a phone that looks away from its holder, so that the page shows no mirror.
AWAY: Final = """
const settings = MediaStreamTrack.prototype.getSettings;
MediaStreamTrack.prototype.getSettings = function () {
  return { ...settings.call(this), facingMode: 'environment' };
};
"""

# A finger's mark, as phones show it in their own recordings. The page's policy forbids styles in its text, not these.
TOUCH: Final = """([x, y, ms]) => {
  const mark = document.createElement('div');
  Object.assign(mark.style, {
    position: 'fixed', left: `${x - 22}px`, top: `${y - 22}px`, width: '44px', height: '44px', borderRadius: '50%',
    background: 'rgba(128, 128, 128, 0.45)', border: '2px solid rgba(255, 255, 255, 0.85)', zIndex: '2147483647',
    pointerEvents: 'none', boxSizing: 'border-box',
  });
  document.body.append(mark);
  mark.animate([{ opacity: 1, transform: 'scale(0.8)' }, { opacity: 0, transform: 'scale(1.3)' }], ms).finished
    .finally(() => mark.remove());
}"""


@dataclass(frozen=True)
class Said:
    """What the page said at a moment.

    Attributes:
        film: seconds since the begin of the camera's film.
        answer: the label; empty for none of them.
        rate: answers a second.
        median: ms of the round trip, half of the last answers were faster.
        slow: ms, 95 % of them were.
    """

    film: float
    answer: str
    rate: float
    median: float
    slow: float


@dataclass
class Recorded:
    """What was seen.

    Attributes:
        begin: of the recording, in seconds of the browser's clock.
        pictures: JPEGs and when each was shown, in the same clock's seconds, in their order.
        said: what the page said meanwhile, ten times a second.
    """

    begin: float = 0.0
    pictures: list[tuple[float, bytes]] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)


@contextmanager
def phone(screen: Screen, camera: Path, address: str) -> Iterator[Page]:
    """A browser of that size in which the page at ``address`` runs; ``camera`` is a film.

    Raises:
        PipelineError: there is no browser, or it broke.
    """
    try:
        with sync_playwright() as playwright:
            # The flag, too: without it the recording has a pixel for a CSS pixel, whatever the context's factor.
            flags = ["--hide-scrollbars", f"--force-device-scale-factor={screen.scale:g}"]
            browser = launch(playwright, camera=camera, extra=flags)
            try:
                context = browser.new_context(
                    viewport={"width": screen.width, "height": screen.height},
                    device_scale_factor=screen.scale,
                    color_scheme=screen.theme,
                    has_touch=True,
                    is_mobile=True,
                )
                page = context.new_page()
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
        PipelineError: it has a problem, or takes longer than `LIVE_WITHIN_S`; its own words are in the text.
    """
    end = time.monotonic() + LIVE_WITHIN_S
    while True:
        now = page.evaluate(SAID, [MARK, BITS])
        if now and now["state"] == "live" and now["model"]:
            return
        if now and now["problem"]:
            raise PipelineError(f"the page has a problem: {now['problem']}")
        if time.monotonic() > end:
            raise PipelineError(f"the page had no answer within {LIVE_WITHIN_S:g} s; it is {now or 'not built'}")
        page.wait_for_timeout(LOOK_EVERY_S * 1000)


def record(page: Page, rounds: int, seconds: float, pressed: Sequence[Press]) -> Recorded:
    """Record what is seen for ``seconds``, once the camera has played its film ``rounds`` times, and press meanwhile.

    Raises:
        PipelineError: the page has a problem, or what is to be pressed is not there.
    """
    recorded = Recorded()
    session = page.context.new_cdp_session(page)

    def seen(frame: dict[str, Any]) -> None:
        if not recorded.begin:
            recorded.pictures.clear()  # the last one before the begin is what is seen at it
        recorded.pictures.append((frame["metadata"]["timestamp"], base64.b64decode(frame["data"])))
        with suppress(BrowserError):  # the last one comes when the browser is closed already
            session.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

    session.on("Page.screencastFrame", seen)
    # From here on, as it takes its part of the machine: the chart of times would show where it began.
    session.send("Page.startScreencast", {"format": "jpeg", "quality": QUALITY})
    at = _look(page).film
    while rounds > 0 or not recorded.pictures:
        page.wait_for_timeout(LOOK_EVERY_S * 1000)
        before, at = at, _look(page).film
        rounds -= at < before
    recorded.begin = time.time()
    waiting = sorted(pressed, key=lambda press: press.at)
    while (since := time.time() - recorded.begin) < seconds:
        while waiting and waiting[0].at <= since:
            _press(page, waiting.pop(0).on)
        recorded.said.append(_look(page))
        page.wait_for_timeout(LOOK_EVERY_S * 1000)
    session.send("Page.stopScreencast")
    return recorded


def _look(page: Page) -> Said:
    now = page.evaluate(SAID, [MARK, BITS])
    if now["problem"]:
        raise PipelineError(f"the page has a problem: {now['problem']}")
    return _said(now)


def _press(page: Page, name: str) -> None:
    found = page.locator(f'[data-testid="{name}"]')
    box = found.bounding_box() if found.count() else None
    if box is None:
        raise PipelineError(f"{name} is to be pressed, and the page has nothing of that name to see")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.evaluate(TOUCH, [x, y, TOUCH_S * 1000])
    page.touchscreen.tap(x, y)


def _said(now: dict[str, Any]) -> Said:
    return Said(now["frame"] / FPS, *(now[name] for name in ("answer", "rate", "median", "slow")))
