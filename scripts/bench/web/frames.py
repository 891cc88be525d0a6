"""What the page's way of making frames costs: probabilities of test pictures, sent by the page and sent whole.

    .venv-service/bin/python -m service     # in another terminal
    python -m scripts.bench.web.frames http://127.0.0.1:8000

A camera's frame (1280 x 720, without loss) is made of each picture of the test split. The service answers it as it is,
then what the page itself sends for it: the page's own code crops, scales and encodes, and its socket is listened to.
"""

import argparse
import io
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from PIL import Image, ImageOps
from playwright.sync_api import Error, sync_playwright

from pipeline.core.errors import PipelineError, run_stage
from pipeline.data.split import SPLIT, read_split
from scripts.bench.results import percentile, table
from scripts.bench.web.page import CAMERA
from scripts.dev.browser import launch

IMAGES: Final = Path("data/images")


def compare(address: str) -> None:
    """Measure, and print the table.

    Raises:
        PipelineError: the service, its page, Chromium or the split is missing.
    """
    offs, sizes, others = [], [], 0
    try:
        with sync_playwright() as playwright, httpx.Client(base_url=address) as service:
            browser = launch(playwright, camera=None)
            page = browser.new_page()
            with page.expect_websocket() as opened:
                page.goto(address)
            for png in (_frame(IMAGES / row.file) for row in read_split(SPLIT) if row.split == "test"):
                with opened.value.expect_event("framesent") as sent:
                    file: Any = {"name": "frame.png", "mimeType": "image/png", "buffer": png}
                    page.locator("[data-testid=file]").set_input_files(file)
                jpeg = sent.value
                assert isinstance(jpeg, bytes)
                whole, shown = _answer(service, png, "image/png"), _answer(service, jpeg, "image/jpeg")
                probabilities = whole["probabilities"]
                offs.append(max(abs(probabilities[label] - each) for label, each in shown["probabilities"].items()))
                others += shown["label"] != whole["label"]
                sizes.append(len(jpeg))
            browser.close()
    except (httpx.HTTPError, Error) as error:
        raise PipelineError(f"{error}: needed is a service with its page at {address}") from error
    figures = (statistics.mean(offs), percentile(offs, 95), max(offs))
    row = (str(len(offs)), *(f"{each:.3f}" for each in figures), str(others), f"{statistics.mean(sizes) / 1e3:.0f}")
    print(table(("pictures", "mean difference", "P95", "largest", "other answer", "KB"), [row]))


def _answer(service: httpx.Client, picture: bytes, kind: str) -> Any:
    return service.post("/identify", content=picture, headers={"Content-Type": kind}).raise_for_status().json()


def _frame(path: Path) -> bytes:
    with Image.open(path) as picture:
        frame = ImageOps.fit(picture.convert("RGB"), CAMERA, Image.Resampling.LANCZOS)
    data = io.BytesIO()
    frame.save(data, "PNG", compress_level=1)
    return data.getvalue()


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", help="of a running service")
    address = parser.parse_args(argv).address.rstrip("/")
    return run_stage(lambda: compare(address))


if __name__ == "__main__":
    sys.exit(main())
