"""The page without a service, on a host that sends no header of ours: isolated all the same, and there offline."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from scripts.bench.web.server import served
from scripts.release.site import site
from tests.e2e.conftest import Open
from tests.e2e.pages import PATIENCE_MS, PROMOTED, WEB, answers_without, at, device_workers, lit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host's folder with the site under a path of its own."""
    made = tmp_path_factory.mktemp("host")
    site(PROMOTED, made / "site", WEB)
    return made


@pytest.fixture(scope="module")
def host(folder: Path) -> Iterator[str]:
    """The site's address on a plain host."""
    with served(folder, headers={}) as address:
        yield f"{address}site/"


def test_two_threads_run_without_any_header_of_the_host_and_no_server_is_offered(open_page: Open, host: str) -> None:
    page = open_page(url=host)
    lit(page, "plant")  # by the site's own model
    assert page.evaluate("crossOriginIsolated")
    assert page.evaluate("navigator.hardwareConcurrency") >= 2
    expect(at(page, "mode-server")).to_have_count(0)
    _, second = device_workers(page)
    assert answers_without(page, second)


def test_the_page_is_loaded_twice_at_first_once_after_that_and_then_without_the_host(
    open_page: Open, folder: Path
) -> None:
    with served(folder, headers={}) as address:
        page = open_page(url="about:blank", watched=False)  # its console tells of the host that is gone
        loads: list[str] = []
        page.on("domcontentloaded", lambda loaded: loads.append(loaded.url))
        page.goto(f"{address}site/")
        lit(page, "plant")
        assert len(loads) == 2
        page.reload()
        lit(page, "plant")
        assert len(loads) == 3
    page.reload()
    lit(page, "plant")
    assert page.evaluate("crossOriginIsolated")


def test_a_new_model_that_does_not_arrive_whole_leaves_the_older_one_answering(
    open_page: Open, folder: Path, tmp_path: Path
) -> None:
    """The host has a new manifest, and is gone before its weights have come."""
    host = tmp_path / "host"
    shutil.copytree(folder, host)
    with served(host, headers={}) as address:
        page = open_page(url=f"{address}site/", watched=False)  # its console tells of what is missing
        lit(page, "plant")
        before = at(page, "words").get_attribute("data-model") or ""
        manifest = host / "site/model/manifest.json"
        told = json.loads(manifest.read_text(encoding="utf-8"))
        told["version"] = f"{before}-new"
        weights = told["variants"]["fp32"]["file"]
        told["files"][weights]["sha256"] = "0" * 64
        manifest.write_text(json.dumps(told), encoding="utf-8")
        page.reload()
        expect(at(page, "words")).to_have_attribute("data-model", before, timeout=PATIENCE_MS)
        lit(page, "plant")
    page.reload()  # and offline
    lit(page, "plant")
