"""The film that the camera plays: a hand moves it over pictures on a wall."""

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
SMEAR: Final = 3.0  # pixels that a step of the motion blur may be apart
STEPS: Final = 16  # of them at most
UNIT: Final = 560  # pixels of the wall to a picture's shorter side
WALL: Final = (226, 222, 214)
BITS: Final = 16  # of a frame's number, the highest at the top, light for 1
MARK: Final = 16  # pixels that they are wide; the page shows the middle square, so nobody sees them
LONGER: Final = 1.2  # what is hung is at most so much longer than wide, or wider than long; the page sees a square

Rgb = npt.NDArray[np.uint8]


class Wall:
    """Pictures on a wall, and a hand that holds a camera at one after the other."""

    def __init__(self, pictures: Sequence[Path], begins: Sequence[float], seconds: float, seed: int) -> None:
        """Hang them.

        Args:
            pictures: files.
            begins: when the camera sets out for each, in seconds.
            seconds: of the film.
            seed: of the hand.

        Raises:
            DataError: a picture can't be read.
        """
        opened = [_open(path) for path in pictures]
        brightness = [float(np.asarray(each.convert("L")).mean()) / 255 for each in opened]
        self.hand = Hand(begins, seconds, brightness, seed)
        self.seconds = seconds
        self._middle = max(math.hypot(x, y) for x, y in self.hand.places) + 1.3
        self._wall = self._hang(opened, np.random.default_rng(seed))

    def frames(self) -> Iterator[Rgb]:
        """Each frame of the film, `SIZE`, RGB: shape (height, width, 3), its number at the left edge."""
        for number in range(round(self.seconds * FPS)):
            yield _numbered(self._frame(number / FPS), number)

    def _hang(self, pictures: list[Image.Image], random: np.random.Generator) -> Image.Image:
        length = round(2 * self._middle * UNIT)
        blotches = random.normal(0, 2.2, size=(24, 24, 1)) + np.array(WALL)
        wall = Image.fromarray(blotches.clip(0, 255).astype(np.uint8)).resize(
            (length, length), Image.Resampling.BICUBIC
        )
        for picture, (x, y) in zip(pictures, self.hand.places, strict=True):
            shorter = min(picture.size)
            width, height = (round(min(side / shorter, LONGER) * UNIT) for side in picture.size)
            hung = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
            left = round((x + self._middle) * UNIT - hung.width / 2)
            top = round((y + self._middle) * UNIT - hung.height / 2)
            shadow = Image.new("L", wall.size)
            shadow.paste(110, (left + 4, top + 14, left + hung.width + 4, top + hung.height + 14))
            wall.paste((40, 36, 32), mask=shadow.filter(ImageFilter.GaussianBlur(14)))
            wall.paste(hung, (left, top))
        return wall

    def _frame(self, second: float) -> Rgb:
        view, later = self.hand.at(second), self.hand.at(second + SHUTTER / FPS)
        far = math.hypot(later.x - view.x, later.y - view.y) / view.size * SIZE[1]
        steps = min(max(1, math.ceil(far / SMEAR)), STEPS)
        exposed = np.zeros((SIZE[1], SIZE[0], 3), np.float32)
        for step in range(steps):
            exposed += self._look(self.hand.at(second + step / steps * SHUTTER / FPS))
        exposed *= np.array(view.light, np.float32) / steps
        image = Image.fromarray(_rolled_off(exposed * _vignette()))
        if (radius := view.blurred * SIZE[1]) > 0.3:
            image = image.filter(ImageFilter.GaussianBlur(radius))
        return np.asarray(image)

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
    command = [
        ffmpeg, "-y", "-loglevel", "error",
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIZE[0]}x{SIZE[1]}", "-r", str(FPS), "-i", "-",
        *CAMERA_FILM, "-fflags", "+bitexact", "-flags:v", "+bitexact", f"file:{film}",
    ]  # fmt: skip
    feed(command, (frame.tobytes() for frame in wall.frames()))
    return film


def feed(command: Sequence[str], data: Iterator[bytes]) -> None:
    """Run ffmpeg with ``data`` as its input.

    Raises:
        PipelineError: it failed; the last line of what it said is in the text.
    """
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


def _vignette() -> npt.NDArray[np.float32]:
    y, x = np.ogrid[-1 : 1 : SIZE[1] * 1j, -1 : 1 : SIZE[0] * 1j]
    return np.asarray(1 - 0.10 * (x**2 + y**2), np.float32)[..., np.newaxis]


def _rolled_off(light: npt.NDArray[np.float32]) -> Rgb:
    """0..255; what is too bright is pressed together, not cut, as cameras do."""
    knee = 225.0
    over = np.maximum(light - knee, 0)
    pressed = np.minimum(light, knee) + (255 - knee) * (1 - np.exp(-over / (255 - knee)))
    return np.asarray(pressed.clip(0, 255), np.uint8)
