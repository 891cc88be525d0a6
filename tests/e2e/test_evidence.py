"""Where in the picture a word was seen lies over it: when that is asked for, and not for none of these."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Open
from tests.e2e.pages import PATIENCE_MS, answers_come, at, lit, open_drawer, state, use_device
from tests.e2e.test_still import show
from tests.service.running import Running

# Opacity of the overlay at its darkest and its brightest place, 0..255.
RANGE = """() => {
    const canvas = document.querySelector("[data-testid=evidence]");
    const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const alpha = data.filter((_, index) => index % 4 === 3);
    return [Math.min(...alpha), Math.max(...alpha)];
}"""


@pytest.fixture
def page(open_page: Open) -> Page:
    """The server answers, and sees plants."""
    page = open_page()
    lit(page, "plant")
    return page


def test_it_is_off_until_it_is_asked_for_by_button_or_key(page: Page) -> None:
    expect(at(page, "evidence")).to_have_count(0)
    at(page, "explain").click()
    expect(at(page, "evidence")).to_have_attribute("data-label", "plant", timeout=PATIENCE_MS)
    expect(at(page, "explain")).to_have_attribute("aria-pressed", "true")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("e")
    expect(at(page, "evidence")).to_have_count(0)


def test_while_it_is_off_nothing_of_it_is_painted(open_page: Open) -> None:
    page = open_page(script=COUNT_PAINTED)
    lit(page, "plant")
    use_device(page)
    page.keyboard.press("Escape")
    answers_come(page)
    assert page.evaluate("window.painted") == 0
    at(page, "explain").click()
    page.wait_for_function("() => window.painted > 0", timeout=PATIENCE_MS)
    at(page, "explain").click()
    expect(at(page, "evidence")).to_have_count(0)
    before = page.evaluate("window.painted")
    answers_come(page)
    assert page.evaluate("window.painted") == before


# Only the evidence puts pixels on a canvas of the page itself: charts are strokes, frames are cut in a worker.
COUNT_PAINTED = """
window.painted = 0;
const put = CanvasRenderingContext2D.prototype.putImageData;
CanvasRenderingContext2D.prototype.putImageData = function (...given) {
    window.painted += 1;
    return put.apply(this, given);
};
"""


def test_the_picture_is_bright_where_the_word_was_seen_and_dim_elsewhere_on_the_device_too(page: Page) -> None:
    use_device(page)
    page.keyboard.press("Escape")
    lit(page, "plant")
    at(page, "explain").click()
    expect(at(page, "evidence")).to_have_attribute("data-label", "plant", timeout=PATIENCE_MS)
    differs = f"() => {{ const [least, most] = ({RANGE})(); return most - least > 40; }}"
    page.wait_for_function(differs, timeout=PATIENCE_MS)
    answers_come(page)


def test_with_none_of_these_it_shows_nothing(page: Page) -> None:
    at(page, "explain").click()
    show(page, "grey")
    expect(at(page, "words")).to_have_attribute("data-answer", "", timeout=PATIENCE_MS)
    expect(at(page, "evidence")).to_have_attribute("data-label", "")
    page.wait_for_function(f"() => ({RANGE})()[1] === 0", timeout=PATIENCE_MS)


def test_it_lies_on_the_square_that_the_model_sees_and_is_mirrored_with_the_picture(page: Page) -> None:
    at(page, "explain").click()
    box = at(page, "evidence").bounding_box()
    stage = at(page, "stage").bounding_box()
    assert box
    assert stage
    assert abs(box["width"] - box["height"]) < 1
    assert abs((box["x"] + box["width"] / 2) - (stage["x"] + stage["width"] / 2)) < 1
    turned = "getComputedStyle(document.querySelector('[data-testid=evidence]')).transform"
    assert page.evaluate(turned) == "matrix(-1, 0, 0, 1, 0, 0)"
    open_drawer(page)
    at(page, "mirror").click()
    assert page.evaluate(turned) == "none"


def test_the_service_is_asked_to_explain_only_then_and_a_frozen_picture_is_explained_too(
    open_page: Open, service: Running
) -> None:
    page = open_page(url="about:blank")
    streams: list[str] = []
    page.on("websocket", lambda socket: streams.append(socket.url.rpartition("/")[2]))
    page.goto(service.url)
    lit(page, "plant")
    assert streams == ["stream"]
    at(page, "freeze").click()
    state(page, "frozen")
    at(page, "explain").click()
    expect(at(page, "evidence")).to_have_attribute("data-label", "plant", timeout=PATIENCE_MS)
    assert streams[-1] == "stream?explain=1"
