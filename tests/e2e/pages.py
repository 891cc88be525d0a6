"""What the tests read of the page."""

import time
from pathlib import Path
from typing import Final

from playwright.sync_api import Locator, Page, Worker, expect

ROOT: Final = Path(__file__).parents[2]
PROMOTED: Final = ROOT / "models/promoted"
WEB: Final = ROOT / "web"
PATIENCE_MS: Final = 40_000  # on a machine that does other things, too
HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
    Object.defineProperty(document, "visibilityState", {configurable: true, get: () => hidden ? "hidden" : "visible"});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def at(page: Page, name: str) -> Locator:
    """The element that carries this name as data-testid."""
    return page.locator(f"[data-testid={name}]")


def number(page: Page, name: str) -> float:
    """A number that stands on the page; NaN for a dash."""
    text = at(page, name).text_content() or ""
    return float(text.split(" ")[0]) if text[:1].isdecimal() else float("nan")


def lit(page: Page, label: str) -> None:
    """Wait until this word, and no other, is lit."""
    word = page.locator(f"[data-word={label}]")
    expect(word).to_have_attribute("data-lit", "true", timeout=PATIENCE_MS)
    expect(page.locator("[data-word][data-lit=true]")).to_have_count(1)


def problem(page: Page, code: str) -> None:
    """Wait until the page says what is wrong."""
    expect(at(page, "stage")).to_have_attribute("data-problem", code, timeout=PATIENCE_MS)
    if code:
        expect(at(page, "problem")).to_be_visible()
        expect(at(page, "problem-action")).to_be_visible()


def state(page: Page, name: str) -> None:
    """Wait until the picture is live, frozen, still, …"""
    expect(at(page, "stage")).to_have_attribute("data-state", name, timeout=PATIENCE_MS)


def right(page: Page, label: str, seconds: float) -> float:
    """Percent of the time, over so many seconds, that the page's newest answer is ``label``."""
    share: float = page.evaluate(
        """async ([label, seconds]) => {
            const words = document.querySelector("[data-testid=words]");
            let right = 0, all = 0;
            const end = performance.now() + 1000 * seconds;
            while (performance.now() < end) {
                await new Promise(requestAnimationFrame);
                all += 1;
                right += words.dataset.answer === label;
            }
            return 100 * right / all;
        }""",
        [label, seconds],
    )
    return share


def use_device(page: Page, mode: str = "device") -> None:
    """Switch to this device, or to both; load the model, and wait until it answers."""
    open_drawer(page)
    page.locator("label", has=at(page, f"mode-{mode}")).click()
    at(page, "device-load").click()
    expect(at(page, "device-load")).to_be_hidden(timeout=PATIENCE_MS)
    expect(at(page, "device-progress")).to_be_hidden(timeout=PATIENCE_MS)


def device_workers(page: Page) -> tuple[Worker, Worker]:
    """The two that answer on the device, once the second one has shown that it does."""
    until = time.monotonic() + PATIENCE_MS / 1000
    while True:
        found = [each for each in page.workers if "inference.worker" in each.url]
        if len(found) == 2 and answers_without(page, found[0]):
            return found[0], found[1]
        assert time.monotonic() < until, [each.url for each in page.workers]
        page.wait_for_timeout(100)


def answers_without(page: Page, worker: Worker) -> bool:
    """Whether answers come while this worker computes something else."""
    worker.evaluate("setTimeout(() => { const end = performance.now() + 5000; while (performance.now() < end); })")
    page.wait_for_timeout(3500)  # the rate is that of the last two seconds
    found = number(page, "fps") > 0
    page.wait_for_timeout(2000)
    return found


def open_drawer(page: Page) -> None:
    """Open it where it is closed, and wait until it has come."""
    if at(page, "drawer").get_attribute("data-open") != "true":
        at(page, "drawer-toggle").click()
    expect(at(page, "drawer")).to_have_attribute("data-open", "true")
    expect(at(page, "drawer")).to_be_in_viewport()


def freeze_and_hide(page: Page) -> None:
    """Freeze the picture and go on, hide the tab and come back: live again after each."""
    at(page, "freeze").click()
    state(page, "frozen")
    at(page, "freeze").click()
    state(page, "live")
    page.evaluate(HIDE, True)
    state(page, "starting")
    page.evaluate(HIDE, False)
    state(page, "live")
