"""What the page's way of making frames costs: probabilities of test pictures, sent by the page and sent whole.

    .venv-service/bin/python -m service     # in another terminal
    .venv/bin/python -m scripts.bench.web.frames http://127.0.0.1:8000

A camera's frame is made of each picture of the test split (1280 x 720, without loss). The service answers it as it is,
then what the page itself sends for it: its own code crops, scales and encodes, and its socket is listened to.
"""

import argparse
import io
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from PIL import Image, ImageOps
from playwright.sync_api import Error, sync_playwright

from pipeline.core.errors import PipelineError, run_stage
from pipeline.data.split import SPLIT, read_split
from scripts.dev.browser import launch

IMAGES: Final = Path("data/images")
SIZE: Final = (1280, 720)  # pixels of the camera


@dataclass(frozen=True)
class Sent:
    """A frame that the page sent: the probability that differs most, whether the label does, bytes."""

    off: float
    other: bool
    bytes: int


def frames() -> Iterator[bytes]:
    """A camera's frame of each test picture, as PNG."""
    for row in read_split(SPLIT):
        if row.split != "test":
            continue
        with Image.open(IMAGES / row.file) as picture:
            frame = ImageOps.fit(picture.convert("RGB"), SIZE, Image.Resampling.LANCZOS)
        data = io.BytesIO()
        frame.save(data, "PNG", compress_level=1)
        yield data.getvalue()


def measure(address: str) -> list[Sent]:
    """What became of each picture.

    Raises:
        PipelineError: there is no Chromium, or no split.
        httpx.HTTPError, playwright.sync_api.Error: no service answers at ``address``, or it serves no page.
    """
    found = []
    with sync_playwright() as playwright, httpx.Client(base_url=address) as service:

        def answer(picture: bytes, kind: str) -> Any:
            headers = {"Content-Type": kind}
            return service.post("/identify", content=picture, headers=headers).raise_for_status().json()

        browser = launch(playwright, camera=None)
        page = browser.new_page()
        with page.expect_websocket() as opened:
            page.goto(address)
        for png in frames():
            file = {"name": "frame.png", "mimeType": "image/png", "buffer": png}
            with opened.value.expect_event("framesent") as sent:
                page.locator("[data-testid=file]").set_input_files(file)  # type: ignore[arg-type]
            jpeg = sent.value
            assert isinstance(jpeg, bytes)
            whole, shown = answer(png, "image/png"), answer(jpeg, "image/jpeg")
            offs = [abs(whole["probabilities"][label] - value) for label, value in shown["probabilities"].items()]
            found.append(Sent(max(offs), shown["label"] != whole["label"], len(jpeg)))
        browser.close()
    return found


def compare(address: str) -> None:
    """Measure, and print the table.

    Raises:
        PipelineError: the service, its page, Chromium or the split is missing.
    """
    try:
        found = measure(address)
    except (httpx.HTTPError, Error) as error:
        raise PipelineError(f"{error}: needed is a service with its page at {address}") from error
    offs = [sent.off for sent in found]
    print("| pictures | mean difference | P95 | largest | other answer | KB |\n|---|---|---|---|---|---|")
    print(
        f"| {len(found)} | {statistics.mean(offs):.3f} | {statistics.quantiles(offs, n=20)[-1]:.3f} | {max(offs):.3f} "
        f"| {sum(sent.other for sent in found)} | {statistics.mean(sent.bytes for sent in found) / 1e3:.0f} |"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.bench.web.frames", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("address", help="of a running service")
    address = parser.parse_args(argv).address.rstrip("/")
    return run_stage(lambda: compare(address))


if __name__ == "__main__":
    sys.exit(main())
