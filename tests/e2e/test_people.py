"""What people find without a camera, and what the page remembers of them."""

import base64
import re

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Open
from tests.e2e.pages import PATIENCE_MS, at, lit, open_drawer, problem, state, use_device
from tests.tiny_bundle import picture


def test_without_a_camera_a_picture_can_be_tapped(blind: Browser, open_page: Open) -> None:
    page = open_page(by=blind)
    problem(page, "camera-missing")
    page.locator(".problem .gallery button[title^='plant']").first.click()
    state(page, "still")
    lit(page, "plant")
    problem(page, "")


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_can_be_dropped_or_pasted_anywhere(way: str, open_page: Open) -> None:
    page = open_page()
    lit(page, "plant")
    page.evaluate(HAND_OVER, [way, base64.b64encode(picture("grey", (60, 40))).decode()])
    state(page, "still")
    expect(at(page, "stage")).to_have_attribute("data-dropping", "false")
    expect(at(page, "words")).to_have_attribute("data-answer", "", timeout=PATIENCE_MS)


# As a person would: over the page first, then onto it; or out of the clipboard.
HAND_OVER = """async ([way, bytes]) => {
    const dataTransfer = new DataTransfer();
    const blob = await (await fetch(`data:image/png;base64,${bytes}`)).blob();
    dataTransfer.items.add(new File([blob], "a.png", {type: "image/png"}));
    const [target, bubbles] = [document.querySelector("main"), true];
    if (way === "paste") target.dispatchEvent(new ClipboardEvent(way, {clipboardData: dataTransfer, bubbles}));
    else for (const kind of ["dragover", way]) target.dispatchEvent(new DragEvent(kind, {dataTransfer, bubbles}));
}"""


def test_mirror_mode_and_keys_hold_for_the_next_visit(open_page: Open) -> None:
    page = open_page()
    lit(page, "plant")
    use_device(page)
    mirrored = at(page, "mirror").is_checked()
    at(page, "mirror").click()
    at(page, "shortcuts").click()
    page.reload()
    expect(at(page, "privacy")).to_have_text("Pictures never leave this tab.", timeout=PATIENCE_MS)
    lit(page, "plant")
    assert at(page, "mirror").is_checked() != mirrored
    assert not at(page, "shortcuts").is_checked()


def test_keys_can_be_switched_off(open_page: Open) -> None:
    page = open_page()
    lit(page, "plant")
    open_drawer(page)
    at(page, "shortcuts").click()
    page.keyboard.press("Escape")
    expect(at(page, "drawer")).to_have_attribute("data-open", "false")
    page.evaluate("document.activeElement.blur()")
    for key in ("Space", "p", "e", "d"):
        page.keyboard.press(key)
    state(page, "live")
    expect(at(page, "pause-charts")).to_have_attribute("aria-pressed", "false")
    expect(at(page, "explain")).to_have_attribute("aria-pressed", "false")
    expect(at(page, "drawer")).to_have_attribute("data-open", "false")


def test_the_model_is_rated_from_elsewhere_first_and_more_photos_are_weighed(open_page: Open) -> None:
    page = open_page()
    lit(page, "plant")
    open_drawer(page)
    rated = at(page, "model").locator("dt").all_text_contents()
    assert rated[:2] == ["right, on pictures from elsewhere", "right, on the test split"]
    expect(at(page, "drawer")).to_contain_text("so its figure is higher than what you will see")
    assert at(page, "gains").locator("dt").all_text_contents() == ["art", "plant", "text"]
    for told in at(page, "gains").locator("dd").all_text_contents():
        assert re.fullmatch(r"[+−]?\d+ points \(.+ to .+\)|too few photos to say", told)


def test_the_address_can_be_given_away(open_page: Open) -> None:
    page = open_page()
    page.context.grant_permissions(["camera", "clipboard-read", "clipboard-write"])
    lit(page, "plant")
    open_drawer(page)
    at(page, "share").click()
    expect(at(page, "notice")).to_contain_text("It works on this computer only.")
    assert page.evaluate("navigator.clipboard.readText()") == page.url


def test_with_storage_blocked_the_page_works_all_the_same(open_page: Open) -> None:
    page = open_page(script=BLOCKED)
    lit(page, "plant")
    problem(page, "")


BLOCKED = """
for (const kind of ["localStorage", "sessionStorage"]) {
    Object.defineProperty(window, kind, {get() { throw new DOMException("blocked", "SecurityError"); }});
}
"""
