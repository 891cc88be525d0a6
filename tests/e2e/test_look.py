"""How the page looks and is used without a mouse: in both themes and at the sizes of phones and desks.

Pictures of each view are left in build/screenshots/, where a person can look at them.
"""

from collections.abc import Callable
from itertools import pairwise, product
from typing import Any, Final, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Open
from tests.e2e.pages import PATIENCE_MS, ROOT, WEB, at, lit, open_card, open_drawer, problem, state
from tests.e2e.test_still import show

SIZES: Final = {1440: 900, 768: 1024, 568: 320, 360: 740, 320: 568}  # CSS pixels, wide: high
THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
AXE: Final = WEB / "node_modules/axe-core/axe.min.js"
SHOTS: Final = ROOT / "build/screenshots"

Prepare = Callable[[Page], None]


def _live(page: Page) -> None:
    lit(page, "plant")


def _drawer(page: Page) -> None:
    lit(page, "plant")
    open_drawer(page)


def _card(page: Page) -> None:
    lit(page, "plant")
    open_card(page)
    expect(page.locator("[data-testid=card] table").first).to_be_visible()
    at(page, "card-toggle").scroll_into_view_if_needed()


def _offer(page: Page) -> None:
    _drawer(page)
    page.locator("label", has=at(page, "mode-device")).click()
    expect(at(page, "device-load")).to_contain_text("MB", timeout=PATIENCE_MS)


def _still(page: Page) -> None:
    lit(page, "plant")
    show(page, "grey")
    expect(at(page, "words")).to_have_attribute("data-answer", "", timeout=PATIENCE_MS)


def _without_camera(page: Page) -> None:
    problem(page, "camera-missing")


VIEWS: Final[dict[str, Prepare]] = {
    "live": _live,
    "drawer": _drawer,
    "card": _card,
    "offer": _offer,
    "still": _still,
    "without-camera": _without_camera,
}


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_and_nothing_is_larger_than_the_screen(view: str, open_page: Open, blind: Browser) -> None:
    by = {"by": blind} if view == "without-camera" else {}
    page = open_page(reduced_motion="reduce", **by)
    VIEWS[view](page)
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for theme, (width, height) in product(THEMES, SIZES.items()):  # narrow after wide, as when a phone is turned back
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(WITHIN, timeout=PATIENCE_MS)
        if view == "live":
            lit(page, "plant")
        page.screenshot(path=SHOTS / f"{view}-{width}-{theme}.png")
        if width in (320, 1440):  # the narrowest that has to work, and the other arrangement
            assert violations(page) == [], theme


# Nothing stands out at the right or below, and no word is cut off. A drawer that is away is not looked at.
WITHIN = """() => [...document.querySelectorAll("main *")]
    .filter((element) => !element.closest("[inert]") && !element.closest(".u-hz, .scroll, .stage video"))
    .every((element) => element.getBoundingClientRect().right <= innerWidth + 1)
    && document.documentElement.scrollHeight <= innerHeight
    && [...document.querySelectorAll(".word")].every((word) => word.scrollWidth <= word.clientWidth)"""


def test_no_word_is_cut_off_at_its_heaviest(open_page: Open) -> None:
    page = open_page()
    lit(page, "plant")
    at(page, "freeze").click()  # nothing writes the words any more
    state(page, "frozen")
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(HEAVY, timeout=PATIENCE_MS)


HEAVY = """() => [...document.querySelectorAll(".word")].every((word) => {
    word.style.fontWeight = 900;
    return word.scrollWidth <= word.clientWidth;
})"""


def test_none_of_these_has_room_for_two_lines_at_every_size(open_page: Open) -> None:
    page = open_page()
    _still(page)
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(
            """() => {
                const find = (name) => document.querySelector(`[data-testid=${name}]`);
                const all = [find("none"), find("words"), find("words").parentElement];
                const [none, list, room] = all.map((each) => each.getBoundingClientRect());
                return none.height >= 40 && none.bottom <= room.bottom + 1 && none.top >= list.bottom - 1;
            }""",
            timeout=PATIENCE_MS,
        )


def test_everything_is_large_enough_for_a_finger(open_page: Open) -> None:
    page = open_page()
    _offer(page)
    for width, height in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(SMALL) == []


# 44 CSS pixels either way; a label counts with what it labels, and links within a text are let off.
SMALL = """() => [...document.querySelectorAll("button, input:not([hidden]), select, summary")]
    .filter((element) => element.checkVisibility())  // what is not there just now can't be pressed
    .map((element) => [element, element.closest("label")].map((each) => each?.getBoundingClientRect()))
    .filter(([own, label]) => ["width", "height"].some((side) => Math.max(own[side], label?.[side] ?? 0) < 44))
    .map(([own]) => own.toJSON())"""


def test_no_number_stands_there_before_there_is_one(open_page: Open) -> None:
    page = open_page(script=MUTE)
    state(page, "live")
    for name in ("fps", "dropped", "p50", "p95", "p99"):
        expect(at(page, name)).to_be_hidden()
    expect(page.locator(".percent").first).to_be_attached(timeout=PATIENCE_MS)
    assert page.locator(".percent").all_text_contents() == [""] * 3
    page.evaluate("() => { window.mute = false; }")
    lit(page, "plant")
    for name in ("fps", "dropped", "p50", "p95", "p99"):
        expect(at(page, name)).to_be_visible()


# A service that is long in answering: its first answers come when they are let through.
MUTE = """
window.mute = true;
const Socket = WebSocket;
window.WebSocket = class extends Socket {
    set onmessage(hear) {
        const wait = (event) => window.mute ? setTimeout(wait, 50, event) : hear(event);
        super.onmessage = hear && wait;
    }
};
"""


def violations(page: Page) -> list[str]:
    """What axe finds, with where; it looks through the protocol of the browser's tools, past the page's policy."""
    found: list[dict[str, Any]] = page.evaluate("async () => (await axe.run()).violations")
    return [f"{each['id']}: {each['help']}: {node['target']}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("width", [360, 1440])
def test_nothing_moves_by_itself(width: int, open_page: Open) -> None:
    page = open_page(script=SHIFTS, viewport={"width": width, "height": SIZES[width]})
    lit(page, "plant")
    at(page, "freeze").click()
    state(page, "frozen")
    at(page, "freeze").click()
    lit(page, "plant")
    assert page.evaluate("window.shifts") == []


SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
        if (entry.value > 0.001) window.shifts.push([entry.value, entry.sources.map((each) => each.node?.outerHTML)]);
    }
}).observe({type: "layout-shift", buffered: true});
"""

FOCUSED = """() => {
    const element = document.activeElement, style = getComputedStyle(element);
    const shown = getComputedStyle(element.closest("label") ?? element);
    const ring = [style, shown].some((each) => each.outlineStyle !== "none" && parseFloat(each.outlineWidth) > 0);
    return [element.dataset.testid ?? element.tagName, ring];
}"""


def test_everything_is_reached_by_keyboard_and_seen_to_be(open_page: Open) -> None:
    page = open_page()
    lit(page, "plant")
    assert walk(page) >= ["freeze", "choose", "drawer-toggle", "pause-charts"]

    page.keyboard.press("Tab")
    while page.evaluate(FOCUSED)[0] != "drawer-toggle":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("[data-testid=drawer] h2")).to_be_focused()
    inside = walk(page)
    for name in ("mode-server", "camera-select", "mirror", "download-csv", "card-toggle"):
        assert name in inside
    page.keyboard.press("Escape")
    expect(at(page, "drawer")).to_have_attribute("data-open", "false")
    expect(at(page, "drawer-toggle")).to_be_focused()


def walk(page: Page) -> list[str]:
    """Tab from where the focus is until it comes round; what had it, each of which showed it."""
    seen: list[str] = []
    while True:
        page.keyboard.press("Tab")
        name, ring = page.evaluate(FOCUSED)
        if name == "BODY" or name in seen:
            return seen
        assert ring, f"{name} has the focus and does not show it"
        seen.append(name)
        assert len(seen) < 50


def test_single_keys_do_what_is_done_most(open_page: Open) -> None:
    page = open_page()
    lit(page, "plant")
    page.keyboard.press("Space")
    state(page, "frozen")
    page.keyboard.press("Space")
    state(page, "live")
    page.keyboard.press("p")
    expect(at(page, "pause-charts")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("p")
    expect(at(page, "pause-charts")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("d")
    expect(at(page, "drawer")).to_have_attribute("data-open", "true")
    page.keyboard.press("Escape")
    expect(at(page, "drawer")).to_have_attribute("data-open", "false")
    with page.expect_file_chooser():
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("o")


def test_who_answers_is_chosen_with_the_arrows(open_page: Open) -> None:
    page = open_page()
    lit(page, "plant")
    open_drawer(page)
    at(page, "mode-server").focus()
    page.keyboard.press("ArrowRight")
    expect(at(page, "mode-device")).to_be_checked()
    expect(at(page, "device-load")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(at(page, "mode-server")).to_be_checked()


def test_a_screen_reader_is_told_what_is_seen_and_is_not_flooded(open_page: Open) -> None:
    page = open_page(script=SPOKEN)
    lit(page, "plant")
    expect(at(page, "announcement")).to_have_text("plant", timeout=PATIENCE_MS)
    for _ in range(8):  # a word comes and goes, far faster than anybody can listen
        for colour in ("grey", "green"):
            show(page, colour)
    spoken = page.evaluate("window.spoken")
    assert all(later - sooner >= 2400 for sooner, later in pairwise(spoken)), spoken


SPOKEN = """
window.spoken = [];
document.addEventListener("DOMContentLoaded", () => new MutationObserver((changes) => {
    if (changes.some(({target}) => target.dataset?.testid === "announcement")) window.spoken.push(performance.now());
}).observe(document, {subtree: true, childList: true}));
"""


def test_nothing_is_animated_for_who_wants_less_motion(open_page: Open) -> None:
    page = open_page(reduced_motion="reduce")
    lit(page, "plant")
    at(page, "drawer-toggle").click()
    assert page.evaluate("document.getAnimations().length") == 0


def test_it_can_be_installed(open_page: Open) -> None:
    page = open_page()
    session = page.context.new_cdp_session(page)
    manifest = session.send("Page.getAppManifest")
    assert manifest["errors"] == []
    # A private window installs nothing, and says so; nothing else may be in the way.
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert {each["errorId"] for each in errors} <= {"in-incognito"}
