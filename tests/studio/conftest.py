"""A copy of this project's photos and promoted model, which a test may teach."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.data import forgotten
from scripts.bench.teach.project import copied

ROOT = Path(__file__).parents[2]
Burst = Callable[..., list[bytes]]


def receipt(sha256: str) -> forgotten.Receipt:
    """Of a photo that was forgotten."""
    values = {"sha256": sha256, "request": "r", "at": "2026-11-25T00:00:00Z", "why": "asked", "versions": []}
    return forgotten.Receipt.model_validate(values | {"removed": {}, "open": {}, "unreachable": []})


@pytest.fixture(scope="session", autouse=True)
def _importable() -> Iterator[None]:
    """The studio is started in other folders."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        yield


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of its own."""
    return copied(tmp_path)


@pytest.fixture(scope="session")
def burst() -> Burst:
    """Makes the frames of one sitting: a thing of a colour that is moved about before a ground of its own."""

    def made(colour: str, ground: int, frames: int = 8) -> list[bytes]:
        random = np.random.default_rng(ground)
        coarse = random.integers(0, 256, (ground, ground, 3), dtype=np.uint8)
        behind = Image.fromarray(coarse).resize((400, 400), Image.Resampling.BICUBIC)
        return [_frame(behind.copy(), colour, random) for _ in range(frames)]

    return made


def _frame(picture: Image.Image, colour: str, random: np.random.Generator) -> bytes:
    pen, (left, top) = ImageDraw.Draw(picture), random.integers(40, 150, 2).tolist()
    pen.ellipse((left, top, left + 180, top + 200), fill=colour)
    pen.arc((left + 130, top + 40, left + 240, top + 150), 0, 360, colour, 20)
    file = BytesIO()
    picture.save(file, "JPEG", quality=92)
    return file.getvalue()
