"""What the page's way of making frames costs: probabilities of test pictures, sent by a browser and sent whole.

    .venv-service/bin/python -m service     # in another terminal
    .venv/bin/python -m scripts.web_frames http://127.0.0.1:8000

A camera's frame is made of each picture of the test split (1280 x 720, without loss). The service answers it as it is,
then as a browser crops, scales and encodes it in several ways; the table has the largest difference of a probability.
"""

import argparse
import base64
import io
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import httpx
from PIL import Image, ImageOps
from playwright.sync_api import sync_playwright

from pipeline.core.errors import PipelineError, run_stage
from pipeline.data.split import SPLIT, read_split
from scripts.chromium import launch

IMAGES: Final = Path("data/images")
SIZE: Final = (1280, 720)  # pixels of the camera

# Ways of `ways` below: side in pixels, how it is scaled, MIME type, quality.
WAYS: Final = {
    "scaled, without loss": (1, "canvas", "image/png", 1),
    "JPEG 0.8": (1, "canvas", "image/jpeg", 0.8),
    "JPEG 0.9": (1, "canvas", "image/jpeg", 0.9),
    "JPEG 0.95 (the page)": (1, "canvas", "image/jpeg", 0.95),
    "JPEG 1.0": (1, "canvas", "image/jpeg", 1),
    "JPEG 0.9 at twice the side": (2, "canvas", "image/jpeg", 0.9),
    "WebP 0.95": (1, "canvas", "image/webp", 0.95),
    "scaled by createImageBitmap, without loss": (1, "bitmap", "image/png", 1),
}
SCRIPT: Final = """async ({ png, size, ways }) => {
  const bytes = Uint8Array.from(atob(png), (character) => character.charCodeAt(0));
  const frame = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const side = Math.min(frame.width, frame.height);
  const square = [(frame.width - side) >> 1, (frame.height - side) >> 1, side, side];
  const answers = {};
  for (const [name, [times, scaling, type, quality]] of Object.entries(ways)) {
    const canvas = new OffscreenCanvas(size * times, size * times);
    const context = canvas.getContext("2d", { alpha: false });
    context.imageSmoothingQuality = "high";
    const options = { resizeWidth: canvas.width, resizeHeight: canvas.height, resizeQuality: "high" };
    if (scaling === "bitmap") context.drawImage(await createImageBitmap(frame, ...square, options), 0, 0);
    else context.drawImage(frame, ...square, 0, 0, canvas.width, canvas.height);
    const body = await canvas.convertToBlob({ type, quality });
    const response = await fetch("/identify", { method: "POST", headers: { "Content-Type": type }, body });
    answers[name] = { ...(await response.json()), bytes: body.size };
  }
  return answers;
}"""


def frames() -> Iterator[bytes]:
    """A camera's frame of each test picture, as PNG."""
    names = [row.file for row in read_split(SPLIT) if row.split == "test"]
    for name in names:
        with Image.open(IMAGES / name) as picture:
            frame = ImageOps.fit(picture.convert("RGB"), SIZE, Image.Resampling.LANCZOS)
        data = io.BytesIO()
        frame.save(data, "PNG", compress_level=1)
        yield data.getvalue()


def measure(address: str) -> dict[str, list[tuple[float, bool, int]]]:
    """Per way and picture: largest difference of a probability, whether the label is another one, bytes.

    Raises:
        PipelineError: there is no Chromium, or no split.
        httpx.HTTPError: no service answers at ``address``.
    """
    found: dict[str, list[tuple[float, bool, int]]] = {way: [] for way in WAYS}
    with sync_playwright() as playwright, httpx.Client(base_url=address) as service:
        size = service.get("/model").raise_for_status().json()["input"]["size"]
        browser = launch(playwright, camera=None)
        page = browser.new_page()
        page.goto(f"{address}/docs")
        for png in frames():
            headers = {"Content-Type": "image/png"}
            whole = service.post("/identify", content=png, headers=headers).raise_for_status().json()
            sent = {"png": base64.b64encode(png).decode(), "size": size, "ways": WAYS}
            for way, answer in page.evaluate(SCRIPT, sent).items():
                off = _difference(whole["probabilities"], answer["probabilities"])
                found[way].append((off, answer["label"] != whole["label"], answer["bytes"]))
        browser.close()
    return found


def _difference(one: dict[str, float], other: dict[str, float]) -> float:
    return max(abs(one[label] - other[label]) for label in one)


def compare(address: str) -> None:
    """Measure, and print the table.

    Raises:
        PipelineError: the service, Chromium or the split is missing.
    """
    try:
        found = measure(address)
    except httpx.HTTPError as error:
        raise PipelineError(f"{error}: needed is a service at {address}") from error
    print("| frame | mean difference | P95 | largest | other answer | KB |")
    print("|---|---|---|---|---|---|")
    for way, rows in found.items():
        offs = [row[0] for row in rows]
        p95 = statistics.quantiles(offs, n=20)[-1]
        changed = f"{sum(row[1] for row in rows)} of {len(rows)}"
        kilobytes = statistics.mean(row[2] for row in rows) / 1e3
        print(
            f"| {way} | {statistics.mean(offs):.3f} | {p95:.3f} | {max(offs):.3f} | {changed} | {kilobytes:.0f} |"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.web_frames", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("address", help="of a running service")
    address = parser.parse_args(argv).address.rstrip("/")
    return run_stage(lambda: compare(address))


if __name__ == "__main__":
    sys.exit(main())
