"""What ten minutes would show, pressed together: everything is begun and ended many times, and nothing is left."""

from typing import Final

import psutil
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Open
from tests.e2e.pages import PATIENCE_MS, at, freeze_and_hide, lit, open_drawer, state, until, use_device
from tests.e2e.test_problems import KEEP_TRACKS, LIVE_TRACKS
from tests.tiny_bundle import picture

ROUNDS: Final = 6
HEAP: Final = 1_500_000  # bytes that the script's collected memory may grow; a chart kept a round is more
WARM: Final = 400  # answers until the renderer's own buffers have their size
MORE: Final = 200
MEMORY: Final = 25_000_000  # bytes that the renderer may grow; a crop kept of each answer would be 40 MB

COUNT = """
window.sockets = [];
window.answers = 0;
const Socket = WebSocket;
window.WebSocket = class extends Socket {
    constructor(...given) {
        super(...given);
        window.sockets.push(new WeakRef(this));
    }
};
document.addEventListener("DOMContentLoaded", () => new MutationObserver(() => { window.answers += 1; }).observe(
    document, {subtree: true, attributeFilter: ["data-model"]}));
"""
OPEN_SOCKETS = "window.sockets.filter((each) => each.deref()?.readyState <= WebSocket.OPEN).length"


def test_answers_of_the_server_leave_nothing_behind(open_page: Open, browser: Browser) -> None:
    page = open_page(script=COUNT, slow=False)
    answered(page, WARM)
    before, memory = held(page), occupied(browser)
    answered(page, MORE)
    nothing_is_left(page, before)
    until(page, lambda: occupied(browser) - memory < MEMORY)


def test_what_is_begun_and_ended_again_and_again_leaves_nothing_behind(open_page: Open) -> None:
    page = open_page(script=KEEP_TRACKS + COUNT)
    lit(page, "plant")
    everything(page)
    before = held(page)
    for _ in range(ROUNDS):
        everything(page)
    nothing_is_left(page, before)
    assert page.evaluate(OPEN_SOCKETS) == 1
    assert page.evaluate(LIVE_TRACKS) == 1


def test_neither_answers_of_the_device_nor_leaving_it_leave_anything_behind(open_page: Open) -> None:
    page = open_page(script=COUNT, slow=False)
    lit(page, "plant")
    workers = len(page.workers)
    use_device(page)
    answered(page, 20)
    before = held(page)
    assert before["workers"] > workers
    assert before["sockets"] == 0
    answered(page, 60)
    nothing_is_left(page, before)
    page.locator("label", has=at(page, "mode-server")).click()
    until(page, lambda: len(page.workers) == workers)
    page.wait_for_function(f"{OPEN_SOCKETS} === 1", timeout=PATIENCE_MS)
    lit(page, "plant")


def everything(page: Page) -> None:
    """Freeze, hide, show a picture, open the drawer, change the theme; and back from each."""
    freeze_and_hide(page)
    open_drawer(page)
    page.keyboard.press("Escape")
    expect(at(page, "drawer")).to_have_attribute("data-open", "false")
    at(page, "file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": picture("red", (800, 600))})
    state(page, "still")
    page.emulate_media(color_scheme="dark")
    at(page, "freeze").click()
    state(page, "live")
    page.emulate_media(color_scheme="light")
    lit(page, "plant")


def answered(page: Page, more: int) -> None:
    """Wait for so many answers."""
    now: int = page.evaluate("window.answers")
    page.wait_for_function("(until) => window.answers >= until", arg=now + more, timeout=2 * PATIENCE_MS)


def held(page: Page) -> dict[str, float]:
    """What the page holds once the rubbish is collected."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    kept = {name: metrics[name] for name in ("JSHeapUsedSize", "Nodes", "JSEventListeners", "Documents")}
    return kept | {
        "sockets": page.evaluate(OPEN_SOCKETS),
        "canvases": page.locator("canvas").count(),
        "workers": len(page.workers),
    }


def nothing_is_left(page: Page, before: dict[str, float]) -> None:
    """Wait until there is as much of everything as before; a few nodes and listeners come and go with the drawer.

    What the page has let go may be held by the browser for a moment more, and by a busy one for longer.
    """

    def as_much() -> bool:
        after = held(page)
        print(before, after)
        few = {"JSHeapUsedSize": HEAP, "Nodes": 20, "JSEventListeners": 20}
        exact = all(after[name] == before[name] for name in before.keys() - few.keys())
        return exact and all(after[name] - before[name] <= most for name, most in few.items())

    until(page, as_much)


def occupied(browser: Browser) -> int:
    """Bytes of the pages' processes. The browser's own keeps what it tells to the test, and grows with that."""
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    return sum(psutil.Process(each["id"]).memory_info().rss for each in processes if each["type"] == "renderer")
