"""A real Chromium, driven by Playwright, with a camera that plays a film.

As a program (`make browser`) it says which one is used, and fetches Playwright's own where there is none.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Playwright, sync_playwright

from pipeline.core.errors import PipelineError, run_stage

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Besides Playwright's own, which keep the browser off the network and a page that nobody looks at at full speed.
FLAGS: Final = ("--disable-quic", "--disable-gpu", "--autoplay-policy=no-user-gesture-required")

# ffmpeg's words for a film that the fake camera plays: yuvj420p would be stretched by Chromium, and -strict unofficial
# lets MJPEG take the range of a television.
CAMERA_FILM: Final = (
    "-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuv420p", "-color_range", "tv", "-strict", "unofficial",
    "-f", "mjpeg",
)  # fmt: skip


class BrowserMissing(PipelineError):
    """There is no Chromium; how to get one, in a sentence."""


def find_chromium(playwright: Playwright | None = None) -> Path:
    """Where Chromium is: what CHROMIUM names, what is on the PATH, or the one that Playwright has fetched.

    Raises:
        BrowserMissing: nowhere.
    """
    named = os.environ.get("CHROMIUM")
    if found := next(filter(None, map(shutil.which, [named] if named else NAMES)), None):
        return Path(found)
    if named:
        raise BrowserMissing(f"CHROMIUM names {named}, which is no program; point it at Chromium or unset it")
    if playwright is None:
        with sync_playwright() as one:
            return find_chromium(one)
    own = Path(playwright.chromium.executable_path)
    if own.exists():
        return own
    raise BrowserMissing(
        "Chromium is needed: apt-get install chromium, or .venv/bin/python -m playwright install chromium, or "
        "CHROMIUM=/path/to/one"
    )


def launch(playwright: Playwright, *, camera: Path | None, extra: Sequence[str] = ()) -> Browser:
    """Start Chromium without a window.

    Args:
        playwright: from `sync_playwright`.
        camera: a film (MJPEG, or Y4M) that its only camera plays over and over, and that pages may use without
            asking; without it there is no camera.
        extra: more of Chromium's flags.

    Raises:
        BrowserMissing: there is none.
    """
    flags = [*FLAGS, *extra]
    if camera is not None:
        flags += [
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={camera.resolve()}",
            "--use-fake-ui-for-media-stream",
        ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium's sandbox refuses root
    return playwright.chromium.launch(executable_path=find_chromium(playwright), args=flags, headless=True)


def ensure() -> None:
    """Say where Chromium is, after fetching it where it is nowhere: Debian's where this is its root, which brings the
    libraries that it needs; else Playwright's own.

    Raises:
        BrowserMissing: what CHROMIUM names is none, or none could be fetched.
    """
    try:
        found = find_chromium()
    except BrowserMissing:
        if os.environ.get("CHROMIUM"):
            raise
        print("no Chromium here: fetching one", flush=True)
        commands = [[sys.executable, "-m", "playwright", "install", "chromium"]]
        if os.geteuid() == 0 and shutil.which("apt-get"):
            apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
            commands = [[*apt, "update"], [*apt, "install", "--yes", "--no-install-recommends", "chromium"]]
        for command in commands:
            subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        found = find_chromium()
    print(f"browser: {found}")


if __name__ == "__main__":
    sys.exit(run_stage(ensure))
