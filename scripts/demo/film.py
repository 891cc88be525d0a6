"""The film that the camera plays: a hand moves it over pictures on a wall.

Drawn with Pillow: of ffmpeg's own ways, zoompan and crop move by whole pixels, which trembles, and none smears.
"""

import math
import subprocess
from collections.abc import Iterable, Iterator, Sequence
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
BITS: Final = 16  # of a frame's number, the highest at the top, light for 1
MARK: Final = 16  # pixels that they are wide; the page shows the middle square, so nobody sees them
LONGER: Final = 1.2  # what is hung is at most so much longer than wide, or wider than long; the page sees a square

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
            picture = _open(path)
            width, height = (round(min(side / min(picture.size), LONGER) * UNIT) for side in picture.size)
            left, top = (round((each + self._middle) * UNIT) for each in (x - width / UNIT / 2, y - height / UNIT / 2))
            shadow = Image.new("L", (width + 80, height + 80))
            shadow.paste(110, (40, 40, width + 40, height + 40))
            shadow = shadow.filter(ImageFilter.GaussianBlur(14))
            self._wall.paste((40, 36, 32), (left - 36, top - 26), shadow)
            self._wall.paste(ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS), (left, top))

    def frames(self) -> Iterator[Rgb]:
        """Each frame of the film, `SIZE`, RGB: shape (height, width, 3), its number at the left edge."""
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
    """Write all frames as MJPEG to ``film``, which has to end in .mjpeg; return it.

    Raises:
        PipelineError: ffmpeg failed.
    """
    size = f"{SIZE[0]}x{SIZE[1]}"
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(FPS)]
    encode(ffmpeg, source, (frame.tobytes() for frame in wall.frames()), CAMERA_FILM, film)
    return film


def encode(ffmpeg: str, source: Sequence[str], data: Iterable[bytes], how: Sequence[str], film: Path) -> None:
    """Encode ``data``, which ``source`` describes, ``how`` it is said, to ``film``; the same bytes each time.

    Raises:
        PipelineError: it failed; the last line of what ffmpeg said is in the text.
    """
    exact = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact")
    command = [ffmpeg, "-y", "-loglevel", "error", *source, "-i", "-", *how, *exact, f"file:{film}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stderr
        try:
            for each in data:
                process.stdin.write(each)
            process.stdin.close()
        except BrokenPipeError:  # it ended early, and says why
            pass
        except BaseException:
            process.kill()
            raise
        said = process.stderr.read().decode(errors="replace").strip().splitlines()
    if process.returncode:
        raise PipelineError(f"ffmpeg failed: {said[-1] if said else f'status {process.returncode}'}")


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB")
    except OSError as error:
        raise DataError(f"{path} can't be read as a picture: {error}") from error


def _numbered(frame: Rgb, number: int) -> Rgb:
    """With its number: how far the film is can't be told by a clock, as a busy browser's camera gets behind it."""
    bits = [number >> bit & 1 for bit in reversed(range(BITS))]
    numbered = frame.copy()
    numbered[:, :MARK] = np.repeat(np.array(bits, np.uint8) * 255, SIZE[1] // BITS)[:, np.newaxis, np.newaxis]
    return numbered
