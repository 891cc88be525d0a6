"""The film that the camera plays: a hand moves it over pictures on a wall.

Drawn with Pillow: of ffmpeg's own ways, zoompan and crop move by whole pixels, which trembles, and none smears.
"""

import math
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

from pipeline.core.errors import DataError, PipelineError
from scripts.demo.hand import Hand, View
from scripts.dev.browser import CAMERA_FILM

SIZE: Final = (640, 480)  # pixels, as webcams give
FPS: Final = 30  # what Chromium's fake camera plays MJPEG at, whatever the file says
SHUTTER: Final = 0.5  # of a frame's time that it is exposed
SMEAR: Final = 6.0  # pixels that a step of the motion blur may be apart
STEPS: Final = 8  # of them at most
UNIT: Final = 560  # pixels of the wall to a picture's shorter side
WALL: Final = (226, 222, 214)
# A frame's number, light for 1, the highest bit first: rows and columns of squares at the top left. Nobody sees them:
# the page shows the middle square or, while it is taught, the whole width without its upper edge.
BITS: Final = (2, 8)
MARK: Final = 8  # pixels a side of each, as of JPEG's blocks

Rgb = npt.NDArray[np.uint8]


class Wall:
    """Pictures on a wall, and a hand that holds a camera at one after the other."""

    def __init__(self, pictures: Sequence[Path], begins: Sequence[float], seconds: float, seed: int) -> None:
        """Hang the ``pictures``; the rest is as of `Hand`.

        Raises:
            DataError: a picture can't be read.
        """
        self.hand = Hand(begins, seconds, seed)
        self.seconds = seconds
        self._middle = max(math.hypot(x, y) for x, y in self.hand.places) + 1.3
        length = round(2 * self._middle * UNIT)
        self._wall = Image.new("RGB", (length, length), WALL)
        for path, (x, y) in zip(pictures, self.hand.places, strict=True):
            left, top = (round((each + self._middle - 0.5) * UNIT) for each in (x, y))
            shadow = ImageOps.expand(Image.new("L", (UNIT, UNIT), 110), 40).filter(ImageFilter.GaussianBlur(14))
            self._wall.paste((40, 36, 32), (left - 36, top - 26), shadow)
            # Its middle square, of which the page sees the middle square again.
            self._wall.paste(ImageOps.fit(_open(path), (UNIT, UNIT), Image.Resampling.LANCZOS), (left, top))

    def frames(self) -> Iterator[Rgb]:
        """Each frame of the film, `SIZE`, RGB: shape (height, width, 3), its number in the corner."""
        for number in range(round(self.seconds * FPS)):
            yield _numbered(self._frame(number / FPS), number)

    def _frame(self, second: float) -> Rgb:
        view, later = self.hand.at(second), self.hand.at(second + SHUTTER / FPS)
        far = math.hypot(later.x - view.x, later.y - view.y) / view.size * SIZE[1]
        steps = min(max(1, math.ceil(far / SMEAR)), STEPS)
        looks = [self._look(self.hand.at(second + step / steps * SHUTTER / FPS)) for step in range(steps)]
        exposed = np.sum(looks, axis=0, dtype=np.float32) * (view.light / steps)
        return np.asarray(exposed.clip(0, 255), np.uint8)

    def _look(self, view: View) -> Rgb:
        """Sample the wall; a frame's pixel (u, v) comes from a turned square of it."""
        scale = view.size * UNIT / SIZE[1]
        cos, sin = (f(math.radians(view.turned)) * scale for f in (math.cos, math.sin))
        x, y = ((each + self._middle) * UNIT for each in (view.x, view.y))
        half_width, half_height = SIZE[0] / 2, SIZE[1] / 2
        affine = (
            cos, -sin, x - cos * half_width + sin * half_height,
            sin, cos, y - sin * half_width - cos * half_height,
        )  # fmt: skip
        return np.asarray(self._wall.transform(SIZE, Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR))


def write(wall: Wall, film: Path, ffmpeg: str) -> Path:
    """Write all frames as MJPEG to ``film``, which has to end in .mjpeg, and as they are beside it; return it.

    Raises:
        PipelineError: ffmpeg failed.
    """
    raw = film.with_suffix(".rgb")
    with raw.open("wb") as file:
        file.writelines(frame.tobytes() for frame in wall.frames())
    size = f"{SIZE[0]}x{SIZE[1]}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(FPS), "-i", str(raw)]
    encode([ffmpeg, *source, *CAMERA_FILM], film)
    return film


def encode(command: Sequence[str], film: Path) -> None:
    """Run ffmpeg's ``command``, which writes to ``film``: the same bytes each time.

    Raises:
        PipelineError: it failed; the last line of what it said is in the text.
    """
    exact = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact")
    whole = [*command, "-loglevel", "error", "-nostdin", "-y", *exact, f"file:{film}"]
    done = subprocess.run(whole, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise PipelineError(f"ffmpeg failed: {(done.stderr.strip().splitlines() or [str(done.returncode)])[-1]}")


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB")
    except OSError as error:
        raise DataError(f"{path} can't be read as a picture: {error}") from error


def _numbered(frame: Rgb, number: int) -> Rgb:
    """With its number: how far the film is can't be told by a clock, as a busy browser's camera gets behind it."""
    rows, columns = BITS
    bits = np.array([number >> bit & 1 for bit in reversed(range(rows * columns))], np.uint8).reshape(BITS)
    numbered = frame.copy()
    numbered[: rows * MARK, : columns * MARK] = np.kron(bits * 255, np.ones((MARK, MARK), np.uint8))[..., np.newaxis]
    return numbered
