"""A picture in place of the camera, and models with other labels."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open
from tests.e2e.pages import PATIENCE_MS, WEB, at, lit, state
from tests.service.running import running
from tests.tiny_bundle import make_bundle, picture

LATE = """
const Socket = WebSocket;
window.WebSocket = class extends Socket {
    set onmessage(hear) { super.onmessage = hear && ((event) => setTimeout(() => hear(event), 600)); }
};
"""


def test_a_still_has_its_own_answer_and_not_that_of_a_frame_under_way(open_page: Open) -> None:
    page = open_page(script=LATE)
    lit(page, "plant")
    show(page, "grey")
    expect(at(page, "none")).to_have_attribute("data-lit", "true", timeout=PATIENCE_MS)
    page.wait_for_timeout(1000)  # nothing may come after it
    expect(at(page, "none")).to_have_attribute("data-lit", "true")
    expect(page.locator("[data-lit=true][data-word]")).to_have_count(0)


def test_none_of_these_says_what_it_looks_most_like_where_that_is_likely(open_page: Open) -> None:
    page = open_page(script=REJECTING)
    expect(at(page, "none")).to_be_visible(timeout=PATIENCE_MS)
    expect(at(page, "none")).to_have_text("none of these: looks most like ART, but not sure enough: 0.41 of 0.55")
    expect(page.locator("[data-lit=true][data-word]")).to_have_count(0)


# Answers of the service, of which none is sure enough.
REJECTING = """
const Socket = WebSocket;
const unsure = {label: null, score: 0.41, threshold: 0.55, probabilities: {art: 0.87, plant: 0.1, text: 0.03}};
window.WebSocket = class extends Socket {
    set onmessage(hear) {
        super.onmessage = hear && ((event) =>
            hear(new MessageEvent("message", {data: JSON.stringify({...JSON.parse(event.data), ...unsure})})));
    }
};
"""


def test_of_forty_labels_the_five_likeliest_are_shown(tmp_path: Path, open_page: Open) -> None:
    labels = [f"label-{number:02}" for number in range(39)] + ["an-unusually-long-name"]
    make_bundle(tmp_path / "promoted", labels, bias=[0.0] * 37 + [7.0, 7.7, 8.0])
    with running(tmp_path, page=WEB / "dist", threads=1) as service:
        page = open_page(url=service.url, viewport={"width": 320, "height": 640})
        state(page, "live")
        show(page, "blue")
        lit(page, "label-02")
        shown = page.locator("[data-word]").evaluate_all("(all) => all.map((each) => each.dataset.word)")
        assert len(shown) == 5
        assert {"label-02", "label-37", "label-38", "an-unusually-long-name"} <= set(shown)
        page.close()  # before the service


def show(page: Page, colour: str) -> None:
    """A picture of one colour."""
    data = picture(colour, (600, 400))
    at(page, "file").set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": data})
    state(page, "still")
