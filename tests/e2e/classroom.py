"""A studio that really runs, on a copy of this project's photos and promoted model, and what its camera may see."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import numpy as np
from PIL import Image, ImageDraw

from scripts.bench.teach.project import copied, studio
from tests import films
from tests.e2e.pages import WEB
from tests.service.running import environment

POSES: Final = 24  # of the mug in its film, a third of a second each


@dataclass(frozen=True)
class Classroom:
    """A studio in a folder of its own."""

    folder: Path
    url: str
    entrance: str  # the address with the token

    def served(self) -> str:
        """Sha256 of the model that a client gets now."""
        return hashlib.sha256(httpx.get(f"{self.url}/model/model.onnx").content).hexdigest()


@contextmanager
def classroom(folder: Path, prepare: Callable[[Path], None] = lambda _: None) -> Iterator[Classroom]:
    """Start a studio in ``folder`` on a port of the system's choice, and end it after the block.

    Args:
        folder: empty.
        prepare: changes the photos in its ``data`` before that.
    """
    prepare(copied(folder) / "data")
    with studio(folder, **environment(page=WEB / "dist", threads=2, poll_s=0.1)) as one:
        yield Classroom(folder, one.entrance.partition("/#")[0], one.entrance)


def film_of_a_mug(folder: Path) -> Path:
    """A film of a drawn mug that somebody moves about: nothing of the set looks like it."""
    film = folder / "mug.mjpeg"
    if not film.exists():
        random = np.random.default_rng(7)
        films.write(film, [_mug(random) for _ in range(POSES)], films.FPS // 3)
    return film


def _mug(random: np.random.Generator) -> Image.Image:
    width, height = films.WIDTH, films.HEIGHT
    picture = Image.new("RGB", (width, height), (182, 176, 168))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, height * 0.7, width, height), fill=(120, 92, 70))  # a table
    size = random.uniform(150, 210)
    left, top = width / 2 - size / 2 + random.uniform(-60, 60), height / 2 - size / 2 + random.uniform(-50, 50)
    right, bottom = left + size * 0.8, top + size
    pen.arc((right - size * 0.25, top + size * 0.2, right + size * 0.3, top + size * 0.75), 0, 360, "#b3261e", 22)
    pen.rounded_rectangle((left, top, right, bottom), 18, fill="#c8322a")
    pen.ellipse((left, top - size * 0.1, right, top + size * 0.12), fill="#7d1712", outline="#e26a63", width=5)
    pen.rectangle((left + size * 0.1, top + size * 0.2, left + size * 0.16, bottom - 20), fill="#e8857f")  # a gleam
    return picture.rotate(float(random.uniform(-8, 8)), fillcolor=(182, 176, 168))
