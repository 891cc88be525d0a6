"""Show the page something, hold a button, and it knows: whoever answers, until it is undone."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from scripts.dev.browser import launch
from tests.e2e.classroom import Classroom, classroom, film_of_a_mug
from tests.e2e.conftest import Open
from tests.e2e.pages import PATIENCE_MS, at, lit, state, use_device
from tests.e2e.test_look import AXE, SHOTS, SIZES, SMALL, THEMES, WITHIN, violations
from tests.service.running import Running

FRAMES: Final = 12


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    """A studio for the tests here; each leaves it as it was."""
    with classroom(tmp_path_factory.mktemp("studio")) as one:
        yield one


@pytest.fixture(scope="module")
def mug(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser whose camera sees a mug, which no model has seen."""
    one = launch(playwright, camera=film_of_a_mug(tmp_path_factory.mktemp("films")))
    yield one
    one.close()


@pytest.fixture
def open_studio(open_page: Open, studio: Classroom, mug: Browser) -> Callable[..., Page]:
    """Open the page at the printed address, before a mug."""

    def open_one(**options: object) -> Page:
        page = open_page(**{"url": studio.entrance, "by": mug, **options})
        state(page, "live")
        return page

    return open_one


def teach(page: Page, label: str, frames: int = FRAMES) -> None:
    """Hold the button for at least so many frames, and let it go."""
    if not at(page, "teach").count():
        at(page, "teach-toggle").click()
    at(page, "new-label").fill(label)
    button = at(page, "hold")
    expect(button).to_contain_text(label)
    button.hover()
    page.mouse.down()
    page.wait_for_function(
        "(frames) => parseInt(document.querySelector('[data-testid=hold]').textContent) >= frames", arg=frames
    )
    page.mouse.up()
    expect(at(page, "taught")).to_contain_text("taught", timeout=PATIENCE_MS)


def undo(page: Page) -> None:
    """Take back what was taught last, once a draft answers, and wait until none does any more."""
    expect(at(page, "draft")).to_be_visible(timeout=PATIENCE_MS)
    at(page, "undo-taught").click()
    expect(at(page, "draft")).to_have_count(0, timeout=PATIENCE_MS)
    expect(page.locator("[data-word=mug]")).to_have_count(0, timeout=PATIENCE_MS)


def test_a_fourth_label_is_taught_and_answered_and_undone_to_the_byte(
    open_studio: Callable[..., Page], studio: Classroom
) -> None:
    before = studio.served()
    page = open_studio()
    teach(page, "mug")
    lit(page, "mug")
    expect(at(page, "draft")).to_be_visible()
    assert studio.served() != before
    photos = list((studio.folder / "data/images/mug").iterdir())
    expect(at(page, "shots").locator("button")).to_have_count(len(photos))
    expect(at(page, "draft-known")).to_contain_text("mug", timeout=PATIENCE_MS)
    expect(at(page, "teach-announcement")).to_have_text("draft answers", timeout=PATIENCE_MS)

    at(page, "shots").locator("button").first.click()
    expect(at(page, "shots").locator("button")).to_have_count(len(photos) - 1)
    lit(page, "mug")
    undo(page)
    assert studio.served() == before
    assert not (studio.folder / "data/images/mug").exists()


def test_on_the_device_the_head_alone_is_fetched(open_studio: Callable[..., Page], studio: Classroom) -> None:
    before = studio.served()
    page = open_studio()
    use_device(page)
    page.keyboard.press("Escape")
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url.partition("?")[0].rpartition("/")[2]))
    teach(page, "mug")
    lit(page, "mug")
    expect(at(page, "draft")).to_be_visible()
    expect(at(page, "privacy")).to_have_text("Pictures never leave this tab.")
    undo(page)
    assert fetched.count("head.onnx") >= 2  # the draft's, and the one of before
    assert "model.onnx" not in fetched
    assert studio.served() == before


def test_both_answer_with_what_was_taught(open_studio: Callable[..., Page]) -> None:
    page = open_studio()
    use_device(page, "both")
    page.keyboard.press("Escape")
    teach(page, "mug")
    lit(page, "mug")
    undo(page)


def test_it_is_held_and_tapped_by_keyboard(open_studio: Callable[..., Page]) -> None:
    page = open_studio()
    page.keyboard.press("t")
    expect(page.locator("[data-testid=teach] h2")).to_be_focused()
    at(page, "new-label").fill("mug")
    at(page, "hold").focus()
    page.keyboard.press("Space")  # a tap goes on until the next
    expect(at(page, "hold")).to_contain_text("3 frames", timeout=PATIENCE_MS)
    page.keyboard.press("Enter")
    expect(at(page, "taught")).to_be_visible(timeout=PATIENCE_MS)
    undo(page)
    page.keyboard.press("Escape")
    expect(at(page, "teach-toggle")).to_be_focused()


def test_what_one_tab_teaches_another_one_sees_and_undoes(open_studio: Callable[..., Page]) -> None:
    page = open_studio()
    other = page.context.new_page()
    other.goto(page.url)  # the cookie knows it
    at(other, "teach-toggle").click()
    teach(page, "mug")
    newest = at(other, "steps").locator("li").first
    expect(newest).to_contain_text("mug", timeout=PATIENCE_MS)
    expect(at(page, "draft")).to_be_visible(timeout=PATIENCE_MS)
    newest.locator("button").click()
    expect(at(page, "draft")).to_have_count(0, timeout=PATIENCE_MS)
    expect(at(page, "shots").locator("button")).to_have_count(0)


def test_a_tab_that_is_hidden_while_it_is_held_sends_nothing_and_keeps_the_frames(
    open_studio: Callable[..., Page], studio: Classroom
) -> None:
    page = open_studio()
    at(page, "teach-toggle").click()
    at(page, "new-label").fill("mug")
    at(page, "hold").focus()
    page.keyboard.press("Space")
    expect(at(page, "hold")).to_contain_text("3 frames", timeout=PATIENCE_MS)
    page.evaluate("dispatchEvent(new Event('pagehide'))")
    expect(at(page, "offered")).to_contain_text("wait here")
    at(page, "drop").click()
    expect(at(page, "offered")).to_have_count(0)
    assert not (studio.folder / "data/images/mug").exists()


def test_a_browser_without_the_token_is_told_where_to_open_it(
    open_studio: Callable[..., Page], studio: Classroom
) -> None:
    page = open_studio(url=studio.url)
    at(page, "teach-toggle").click()
    expect(at(page, "locked")).to_contain_text("make run")
    expect(at(page, "hold")).to_have_count(0)
    page.goto(studio.entrance)  # in the same tab: the address's fragment alone is another one
    expect(at(page, "labels")).to_be_visible(timeout=PATIENCE_MS)
    assert "studio" not in page.url
    page.reload()
    at(page, "teach-toggle").click()
    expect(at(page, "labels")).to_be_visible(timeout=PATIENCE_MS)


def test_a_service_without_a_studio_offers_none_and_is_asked_nothing(open_page: Open, service: Running) -> None:
    page = open_page(url="about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(service.url)
    lit(page, "plant")
    expect(at(page, "teach-toggle")).to_have_count(0)
    assert not [each for each in asked if "studio" in each]


def test_axe_finds_nothing_and_everything_fits_and_is_large_enough_for_a_finger(
    open_studio: Callable[..., Page],
) -> None:
    page = open_studio(reduced_motion="reduce")
    teach(page, "mug")
    lit(page, "mug")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    SHOTS.mkdir(parents=True, exist_ok=True)
    for theme, (width, height) in product(THEMES, (SIZES | {1280: 800, 390: 844}).items()):
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(WITHIN, timeout=PATIENCE_MS)
        page.screenshot(path=SHOTS / f"teach-{width}-{theme}.png")
        assert page.evaluate(SMALL) == [], width
        if width in (320, 1440):
            assert violations(page) == [], theme
    undo(page)
