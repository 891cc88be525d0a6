"""The page in WebKitGTK, where Debian's webkit2gtk-driver and xvfb are installed. Its camera is a made-up one."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest

from scripts.bench.process import free_port
from tests.e2e.pages import PATIENCE_MS
from tests.service.running import Running

DRIVER: Final = shutil.which("WebKitWebDriver")
SCREEN: Final = shutil.which("Xvfb")
BROWSER: Final = next(Path("/usr/lib").glob("*/webkit2gtk-4.1/MiniBrowser"), None)
CAMERA: Final = ("--enable-media-stream=TRUE", "--enable-mock-capture-devices=TRUE")

pytestmark = pytest.mark.skipif(
    not (DRIVER and SCREEN and BROWSER), reason="no WebKit here; apt-get install webkit2gtk-driver xvfb"
)


class WebKit:
    """A page in it, over WebDriver."""

    def __init__(self, address: str, *options: str) -> None:
        self._client = httpx.Client(base_url=address, timeout=60)
        wanted = {"binary": str(BROWSER), "args": ["--automation", *options]}
        self._session = "/session"
        answer = self._send("", {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": wanted}}})
        self._session = f"/session/{answer['sessionId']}"

    def close(self) -> None:
        self._client.close()

    def open(self, url: str) -> None:
        self._send("/url", {"url": url})

    def run(self, script: str) -> Any:
        """What a script returns."""
        return self._send("/execute/sync", {"script": script, "args": []})

    def until(self, script: str, expected: object = True) -> None:
        """Wait until a script returns what is expected."""
        end = time.monotonic() + PATIENCE_MS / 1000
        while (found := self.run(f"return {script}")) != expected:
            assert time.monotonic() < end, (script, found)
            time.sleep(0.2)

    def state(self, name: str) -> None:
        self.until("document.querySelector('[data-testid=stage]')?.dataset.state", name)

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector('{selector}').click()")

    def _send(self, path: str, body: dict[str, Any]) -> Any:
        answer = self._client.post(f"{self._session}{path}", json=body).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer


ANSWERED: Final = "Number(document.querySelector('[data-testid=p50]').textContent) > 0"


@pytest.fixture
def webkit() -> Iterator[Callable[..., WebKit]]:
    """Opens pages; all that was started is ended, by its process id."""
    port, display = free_port(), f":{free_port() % 10_000 + 100}"
    # uPlot asks for the language, and WebKit calls that of the locale C no language.
    environment = os.environ | {"DISPLAY": display, "LANG": "en_US.UTF-8", "LIBGL_ALWAYS_SOFTWARE": "1"}
    environment["WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS"] = "1"  # it refuses root
    with (
        _started([str(SCREEN), display, "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]),
        _started([str(DRIVER), f"--port={port}", "--host=127.0.0.1"], environment),
    ):
        address = f"http://127.0.0.1:{port}"
        _await(f"{address}/status")
        with ExitStack() as pages:
            yield lambda *options: pages.enter_context(closing(WebKit(address, *options)))


@contextmanager
def _started(command: list[str], environment: dict[str, str] | None = None) -> Iterator[None]:
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.terminate()
            process.terminate()


def _await(url: str) -> None:
    end = time.monotonic() + 20
    while True:
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            assert time.monotonic() < end, url
            time.sleep(0.1)


def test_live_the_service_answers_and_then_this_device(webkit: Callable[..., WebKit], service: Running) -> None:
    page = webkit(*CAMERA)
    page.open(service.url)
    page.state("live")
    page.until(ANSWERED)
    page.click("[data-testid=mode-device]")
    page.click("[data-testid=device-load]")
    page.until("document.querySelector('[data-testid=privacy]').textContent", "Pictures never leave this tab.")
    page.until(ANSWERED)
    page.click("[data-testid=explain]")
    page.until("document.querySelectorAll('[data-testid=evidence]').length", 1)


def test_without_a_camera_a_picture_of_the_gallery_is_answered(webkit: Callable[..., WebKit], service: Running) -> None:
    page = webkit()
    page.open(service.url)
    page.until("document.querySelector('[data-testid=stage]')?.dataset.problem?.startsWith('camera-')")
    page.until("document.querySelectorAll('.problem .gallery button').length > 0")
    page.click(".problem .gallery button")
    page.state("still")
    page.until(ANSWERED)
