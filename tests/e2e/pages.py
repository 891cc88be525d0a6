"""What the tests read of the page."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Locator, Page, Worker, expect

from pipeline.evaluate.model_card import as_html

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


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait, while the browser's news come in, for something that they tell."""
    for _ in range(PATIENCE_MS // 50):
        if holds():
            return
        page.wait_for_timeout(50)
    pytest.fail(f"it never happened; there are {[each.url for each in page.workers]}")


def answers_without(page: Page, worker: Worker) -> bool:
    """Whether answers come while this worker computes something else."""
    end = worker.evaluate(
        "() => { const end = Date.now() + 3000; setTimeout(() => { while (Date.now() < end); }); return end; }"
    )
    found: bool = page.evaluate(ANSWERS_UNTIL, [MORE_THAN_UNDER_WAY, end])
    worker.evaluate("0")  # waits until it is free
    return found


def answers_come(page: Page) -> None:
    """Wait for answers to frames that were not under way before."""
    end = time.time() * 1000 + PATIENCE_MS
    assert page.evaluate(ANSWERS_UNTIL, [MORE_THAN_UNDER_WAY, end]), "no answer comes any more"


# Whether so many answers come before a time of Date.now(); resolves as soon as it is known.
ANSWERS_UNTIL: Final = """([most, end]) => new Promise((resolve) => {
    let answers = 0;
    const observer = new MutationObserver(() => { if (++answers === most) tell(); });
    const tell = () => { observer.disconnect(); clearTimeout(timer); resolve(answers >= most && Date.now() < end); };
    const timer = setTimeout(tell, end - Date.now());
    observer.observe(document, {subtree: true, attributeFilter: ["data-model"]});
})"""
MORE_THAN_UNDER_WAY: Final = 4  # answers; each of two workers, or a server, has at most one frame and one waits


def open_card(page: Page, html: str = "") -> None:
    """Open the model card: the promoted model's, also where it was made before cards were HTML, or ``html``."""
    told = html or as_html((PROMOTED / "MODEL_CARD.md").read_text(encoding="utf-8"))
    page.route("**/model/card.html", lambda route: route.fulfill(body=told, content_type="text/html"))
    open_drawer(page)
    at(page, "card-toggle").click()
    expect(at(page, "card")).not_to_be_empty(timeout=PATIENCE_MS)


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
