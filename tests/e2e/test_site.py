"""The page without a service, on a host that sends no header of ours: isolated all the same, and there offline."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from scripts.bench_web.server import folders
from scripts.site import site
from tests.e2e.conftest import Open
from tests.e2e.pages import PROMOTED, WEB, answers_without, at, device_workers, lit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host's folder with the site under a path of its own."""
    made = tmp_path_factory.mktemp("host")
    site(PROMOTED, made / "site", WEB)
    return made


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[str]:
    """The site's address on a plain host."""
    with folders({"": folder}, headers={}) as address:
        yield f"{address}site/"


@pytest.fixture
def opened(open_page: Open, host: str) -> Page:
    """The site, which shows what its own model says of the camera."""
    page = open_page(url=host)
    lit(page, "plant")
    return page


def test_two_threads_run_without_any_header_of_the_host(opened: Page) -> None:
    assert opened.evaluate("crossOriginIsolated")
    assert opened.evaluate("navigator.hardwareConcurrency") >= 2
    _, second = device_workers(opened)
    assert answers_without(opened, second)


def test_the_page_is_loaded_twice_at_first_and_once_after_that(open_page: Open, host: str) -> None:
    page = open_page(url="about:blank")
    loads: list[str] = []
    page.on("domcontentloaded", lambda loaded: loads.append(loaded.url))
    page.goto(host)
    lit(page, "plant")
    assert len(loads) == 2
    page.reload()
    lit(page, "plant")
    assert len(loads) == 3


def test_the_second_visit_needs_no_host(open_page: Open, folder: Path) -> None:
    with folders({"": folder}, headers={}) as address:
        page = open_page(url=f"{address}site/", watched=False)  # its console tells of the host that is gone
        lit(page, "plant")
    page.reload()
    lit(page, "plant")
    assert page.evaluate("crossOriginIsolated")


def test_it_offers_no_server(opened: Page) -> None:
    expect(at(opened, "mode-server")).to_have_count(0)
