"""The page in a real browser, before the real service with the promoted model."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from scripts.dev.browser import launch
from tests import films
from tests.e2e.pages import PROMOTED, WEB
from tests.service.running import Running, running

Open = Callable[..., Page]
# A camera of 10 pictures a second: where nobody counts them, answers to 30 cost the tests two cores all the time.
SLOW_CAMERA = """
if (navigator.mediaDevices) {
    const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (wish) => open({...wish, video: {...wish.video, frameRate: {max: 10}}});
}
"""


@pytest.fixture(scope="session", autouse=True)
def _made() -> None:
    """The model and the page are there; `make test` sees to it."""
    for what, how in ((PROMOTED / "manifest.json", "make model"), (WEB / "dist/index.html", "make page")):
        if not what.exists():
            pytest.fail(f"{what} is missing; `{how}` makes it", pytrace=False)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Everybody's service; it has nothing to do with a model that changes."""
    folder = tmp_path_factory.mktemp("service")
    with running(folder, model=PROMOTED, page=WEB / "dist") as one:
        yield one


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    """A driver for each module: while it lives, its event loop runs, and nobody else's test could start one."""
    with sync_playwright() as one:
        yield one


@pytest.fixture(scope="session")
def film_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A film of test pictures of a label."""
    folder = tmp_path_factory.mktemp("films")
    return lambda label: films.of_label(label, folder)


@pytest.fixture(scope="module")
def browser(playwright: Playwright, film_of: Callable[[str], Path]) -> Iterator[Browser]:
    """Whose camera sees plants."""
    one = launch(playwright, camera=film_of("plant"))
    yield one
    one.close()


@pytest.fixture(scope="module")
def blind(playwright: Playwright) -> Iterator[Browser]:
    """Without a camera."""
    one = launch(playwright, camera=None)
    yield one
    one.close()


@pytest.fixture
def open_page(browser: Browser, service: Running) -> Iterator[Open]:
    """Open a page, at a phone's size unless told otherwise; nothing may be wrong in its console at the end."""
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def open_one(
        *,
        url: str = "",
        by: Browser = browser,
        script: str = "",
        watched: bool = True,
        slow: bool = True,
        **options: object,
    ) -> Page:
        given = {"viewport": {"width": 390, "height": 844}, **options}
        context = by.new_context(**given)  # type: ignore[arg-type]  # its options, by name
        contexts.append(context)
        if slow:
            context.add_init_script(SLOW_CAMERA)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        if watched:
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.goto(url or service.url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not wrong
