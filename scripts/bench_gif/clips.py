"""The clips that are measured: each drawn frame by frame from a time in seconds, the same on every machine.

Their kinds are those that recordings are of: a flat interface, a hand-held camera's noisy picture, a smooth gradient,
text being scrolled, a map being panned; the project's own demo is the sixth.
"""

import math
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipeline.core.errors import DataError, PipelineError
from scripts.bench_gif.interface import PHONE, interface

FPS = 30
SECONDS = 6.0
WIDE = (960, 540)
DEMO = Path("data/recordings/demo.mp4")
# Leaves and flowers in the wind: nothing in it is flat, and nothing repeats.
PHOTO = Path("data/images/plant/stellarium-data__garching3.jpg")
PROSE = (
    "the camera moves over a page and the word grows sure of itself while a chart breathes below it and "
    "nothing on the screen asks to be read first as the picture fills the width of the glass in the hand"
)
WORDS = PROSE.split()


@dataclass(frozen=True)
class Clip:
    """A film to be made of ``draw(seconds)``: RGB pictures of one size for times from 0 to ``seconds``.

    ``enlarged`` so many times, as drawing large pictures takes longer than all else.
    """

    name: str
    draw: Callable[[float], Image.Image]
    seconds: float = SECONDS
    fps: int = FPS
    enlarged: int = 1

    def make(self, folder: Path, ffmpeg: str) -> Path:
        """Encode it as H.264 with 4:2:0, as recorders do; returns the file in ``folder``.

        Raises:
            PipelineError: ffmpeg can't encode it.
        """
        path = folder / f"{self.name}.mp4"
        size = "x".join(map(str, self.draw(0).size))
        command = [
            ffmpeg, "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", str(self.fps),
            "-i", "-", "-vf", f"scale=iw*{self.enlarged}:-1", "-c:v", "libx264", "-crf", "18", "-preset", "veryfast",
            "-pix_fmt", "yuv420p", str(path),
        ]  # fmt: skip
        with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
            assert encoder.stdin
            for number in range(round(self.seconds * self.fps)):
                encoder.stdin.write(self.draw(number / self.fps).tobytes())
            encoder.stdin.close()
        if encoder.returncode:
            raise PipelineError(f"{ffmpeg} can't encode the clip {self.name} (H.264)")
        return path


def phone_films() -> list[Clip]:
    """15 s of a phone's screen, 1080 x 2340 at 60 frames a second: what has to fit into a budget."""
    reader = text()
    return [
        Clip("phone interface", interface, 15, 60, enlarged=2),
        Clip("phone text", lambda seconds: reader(seconds % SECONDS), 15, 60, enlarged=2),
    ]


def all_films(folder: Path, ffmpeg: str, only: Sequence[str] = ()) -> list[Path]:
    """The five that are drawn, made in ``folder``, and the project's demo where it is recorded; or those of ``only``.

    Raises:
        PipelineError: the photo that the camera sees is missing, or ffmpeg can't encode.
    """
    if not PHOTO.is_file():
        raise DataError(f"{PHOTO} is missing; `make data` fetches the photos")
    folder.mkdir(parents=True, exist_ok=True)
    drawn = [
        Clip("interface", interface),
        Clip("camera", camera(PHOTO)),
        Clip("gradient", gradient),
        Clip("text", text()),
        Clip("map", street_map()),
    ]
    films = [clip.make(folder, ffmpeg) for clip in drawn if not only or clip.name in only]
    return [*films, DEMO] if DEMO.is_file() and (not only or DEMO.stem in only) else films


def camera(photo: Path) -> Callable[[float], Image.Image]:
    """A hand-held camera over a photo: it drifts, turns, breathes, its light changes, its sensor is noisy."""
    picture = Image.open(photo).convert("RGB")
    scale = 1.5 * max(WIDE[0] / picture.width, WIDE[1] / picture.height)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)

    def draw(seconds: float) -> Image.Image:
        turn = 0.05 * math.sin(1.1 * seconds) + 0.006 * math.sin(17 * seconds)
        zoom = 1 + 0.06 * math.sin(0.7 * seconds)
        x = picture.width / 2 + 70 * math.sin(0.8 * seconds) + 3 * math.sin(23 * seconds)
        y = picture.height / 2 + 40 * math.sin(1.3 * seconds) + 3 * math.sin(19 * seconds)
        cos, sin = zoom * math.cos(turn), zoom * math.sin(turn)
        middle = (WIDE[0] / 2, WIDE[1] / 2)
        affine = (
            cos,
            -sin,
            x - cos * middle[0] + sin * middle[1],
            sin,
            cos,
            y - sin * middle[0] - cos * middle[1],
        )
        seen = picture.transform(WIDE, Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR)
        noise = np.random.default_rng(round(seconds * 1000)).normal(0, 5, (WIDE[1], WIDE[0], 3))
        light = 1 + 0.08 * math.sin(0.9 * seconds)
        return _picture(np.asarray(seen) * light + noise)

    return draw


def gradient(seconds: float) -> Image.Image:
    """Colours that pass into each other and drift: what palettes are worst at."""
    y, x = np.mgrid[0 : WIDE[1], 0 : WIDE[0]] / WIDE[0]
    waves = [
        127 + 100 * np.sin(math.tau * (x * a + y * b) + seconds * speed + phase)
        for a, b, speed, phase in ((0.6, 0.3, 0.7, 0), (-0.2, 0.7, 0.5, 2), (0.4, -0.5, 0.9, 4))
    ]
    return _picture(np.stack(waves, axis=-1))


def text() -> Callable[[float], Image.Image]:
    """A page of text that a thumb scrolls: three flicks, each fast at first, and a rest after each."""
    page = Image.new("RGB", (PHONE[0], 5200), "#fffdf7")
    pen = ImageDraw.Draw(page)
    font, heading = ImageFont.load_default(24), ImageFont.load_default(40)
    y, word = 40, 0
    while y < page.height - 60:
        if (y // 36) % 14 == 1:
            pen.text(
                (36, y + 10),
                f"{WORDS[word % len(WORDS)].title()} and {WORDS[(word + 7) % len(WORDS)]}",
                "#7a2e1d",
                heading,
            )
            y += 72
        line = ""
        while pen.textlength(f"{line}{WORDS[word * 5 % len(WORDS)]}", font) < PHONE[0] - 72:
            line += WORDS[word * 5 % len(WORDS)] + " "
            word += 1
        pen.text((36, y), line, "#222222", font)
        y += 36

    def draw(seconds: float) -> Image.Image:
        flick, since = divmod(seconds, 2)
        top = round(1200 * (flick + 1 - math.exp(-3.5 * since) if since else flick))
        return page.crop((0, top, PHONE[0], top + PHONE[1]))

    return draw


def street_map() -> Callable[[float], Image.Image]:
    """A map of a town that was never built, panned in two sweeps with a rest between."""
    size = (2400, 1500)
    town = Image.new("RGB", size, "#f2efe9")
    pen = ImageDraw.Draw(town)
    chance = np.random.default_rng(4)
    for _ in range(40):
        x, y, w, h = chance.integers((0, 0, 80, 60), (*size, 360, 260))
        pen.rectangle((x, y, x + w, y + h), chance.choice(["#cdebb0", "#e0dfdf", "#f7e9d7", "#dcecd0"]))
    river = [(x, 700 + 260 * math.sin(x / 420)) for x in range(-50, size[0] + 50, 20)]
    pen.line(river, "#aad3df", 90, joint="curve")
    for edge, colour, widths in (("#bbbbbb", "#ffffff", (10, 7)), ("#c98a4b", "#fcd6a4", (22, 17))):
        roads = [
            [(x + chance.normal(0, 12), at + slope * x) for x in range(-50, size[0] + 50, 150)]
            for at, slope in zip(chance.integers(-300, size[1], 22), chance.normal(0, 0.12, 22), strict=True)
        ]
        roads += [
            [(at + slope * y, y) for y in range(-50, size[1] + 50, 150)]
            for at, slope in zip(chance.integers(-300, size[0], 26), chance.normal(0, 0.12, 26), strict=True)
        ]
        if colour != "#ffffff":
            roads = roads[::9]
        for stroke, width in ((edge, widths[0]), (colour, widths[1])):
            for road in roads:
                pen.line(road, stroke, width, joint="curve")
    font = ImageFont.load_default(20)
    for _ in range(110):
        x, y = chance.integers((0, 0), size)
        name = f"{WORDS[chance.integers(len(WORDS))].title()} Street"
        pen.text((x, y), name, "#444444", font, stroke_width=3, stroke_fill="#ffffff")

    def draw(seconds: float) -> Image.Image:
        one, two = (
            0.5 - 0.5 * math.cos(math.pi * min(max(part, 0), 1)) for part in (seconds / 2.5, (seconds - 3.2) / 2.5)
        )
        left, top = round(1200 * one - 500 * two), round(300 * one + 600 * two)
        return town.crop((left, top, left + WIDE[0], top + WIDE[1]))

    return draw


def _picture(values: NDArray[np.floating]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
