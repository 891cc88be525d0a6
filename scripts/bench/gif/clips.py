"""The clips that are measured: the project's own recording, and five that ffmpeg makes, the same on every machine.

Their kinds are those that recordings are of: a flat interface, a hand-held camera, a smooth gradient, text that is
scrolled, a map that is panned. What they show is drawn once; ffmpeg's expressions move it.
"""

import math
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.core.errors import DataError, PipelineError

SECONDS = 4
RATE = 30
WIDE = (960, 540)
PHONE = (540, 1170)  # half of a usual phone's 1080 x 2340
DEMO = Path("data/recordings/demo.mp4")
# Leaves and flowers in the wind: nothing in it is flat, and nothing repeats.
PHOTO = Path("data/images/plant/stellarium-data__garching3.jpg")
PROSE = (
    "the camera moves over a page and the word grows sure of itself while a chart breathes below it and "
    "nothing on the screen asks to be read first as the picture fills the width of the glass in the hand"
)
WORDS = PROSE.split()
HUES = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#0e7490", "#b91c1c", "#a16207", "#475569", "#be185d")


@dataclass(frozen=True)
class Clip:
    """A film of so many `SECONDS` that ``graph`` makes of ``pictures``, or without any of the source it begins with."""

    name: str
    graph: str
    pictures: tuple[Image.Image, ...] = ()

    def make(self, folder: Path, ffmpeg: str) -> Path:
        """Encode it as H.264 with 4:2:0, as recorders do; return the file in ``folder``.

        Raises:
            PipelineError: ffmpeg can't make it.
        """
        path, inputs = folder / f"{self.name}.mp4", []
        for number, picture in enumerate(self.pictures):
            picture.save(folder / f"{self.name}-{number}.png")
            inputs += ["-loop", "1", "-framerate", str(RATE), "-i", str(folder / f"{self.name}-{number}.png")]
        command = [ffmpeg, "-v", "error", "-y", *inputs, "-filter_complex", self.graph, "-t", str(SECONDS)]
        command += ["-c:v", "libx264", "-crf", "18", "-preset", "veryfast", "-pix_fmt", "yuv420p", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise PipelineError(f"{ffmpeg} can't make the clip {self.name}: {done.stderr.strip()[-300:]}")
        return path


def films(folder: Path, ffmpeg: str) -> list[Path]:
    """All clips, made in ``folder``, and the project's own recording.

    Raises:
        PipelineError: the photo or the recording is missing, or ffmpeg can't make a clip.
    """
    for path in (PHOTO, DEMO):
        if not path.is_file():
            raise DataError(f"{path} is missing; `make data` fetches it")
    folder.mkdir(parents=True, exist_ok=True)
    return [*(clip.make(folder, ffmpeg) for clip in (interface(), camera(), gradient(), text(), street_map())), DEMO]


def interface() -> Clip:
    """A list that scrolls under an app's head, and a card that slides in and is filled."""
    rows = Image.new("RGB", (PHONE[0], 1700), "#f5f5f4")
    pen = ImageDraw.Draw(rows)
    for number, hue in enumerate(HUES):
        y = 140 + 170 * number
        pen.rounded_rectangle((20, y, PHONE[0] - 20, y + 150), 18, "#ffffff", "#e7e5e4", 2)
        pen.ellipse((44, y + 35, 124, y + 115), hue)
        pen.text((150, y + 38), WORDS[number + 2].title(), "#1c1917", ImageFont.load_default(30))
        pen.text((150, y + 84), f"{number * 7 + 12} pictures, {90 + number} %", "#78716c", ImageFont.load_default(20))
    head = Image.new("RGB", (PHONE[0], 120), "#292524")
    ImageDraw.Draw(head).text((24, 64), "Art, Text, Plant", "#ffffff", ImageFont.load_default(32))
    card = Image.new("RGB", (PHONE[0], PHONE[1] - 120), "#ffffff")
    pen = ImageDraw.Draw(card)
    for hue, phase in zip(HUES, (0, 2, 4), strict=False):
        wave = [(40 + 2 * x, 395 - 130 * math.sin(x / 37 + phase) * math.cos(x / 90)) for x in range(230)]
        pen.line(wave, hue, 5, joint="curve")
    pen.text((40, 640), "98.4 %", "#1c1917", ImageFont.load_default(90))
    cover = Image.new("RGB", (460, 300), "#ffffff")
    graph = (
        f"[0]crop={PHONE[0]}:{PHONE[1]}:0:'420*{_ease(0.4, 1)}'[rows];"
        f"[2][3]overlay=x='40+460*{_ease(2.7, 2)}':y=240[card];"
        f"[rows][card]overlay=x='W*(1-{_ease(2.2, 0.4)}+{_ease(5.2, 0.4)})':y=120[page];[page][1]overlay"
    )
    return Clip("interface", graph, (rows, head, card, cover))


def camera() -> Clip:
    """A hand-held camera over a photo: it drifts and turns, its light changes, its sensor is noisy."""
    place = "x='(iw-ow)/2+70*sin(0.8*t)+3*sin(23*t)':y='(ih-oh)/2+40*sin(1.3*t)+3*sin(19*t)'"
    turned = "rotate=0.05*sin(1.1*t)+0.006*sin(17*t)"
    light = "eq=brightness='0.05*sin(0.9*t)':eval=frame,noise=alls=9:allf=t:all_seed=4"
    graph = f"scale=1440:-1:flags=lanczos,{turned},crop={WIDE[0]}:{WIDE[1]}:{place},{light}"
    with Image.open(PHOTO) as photo:
        return Clip("camera", graph, (photo.convert("RGB"),))


def gradient() -> Clip:
    """Colours that pass into each other and drift: what palettes are worst at."""
    size = f"s={WIDE[0]}x{WIDE[1]}:r={RATE}"
    return Clip(
        "gradient",
        f"gradients={size}:n=4:x0=0:y0=0:x1=959:y1=539:c0=#c2410c:c1=#1d4ed8:c2=#15803d:c3=#be185d:speed=0.02:seed=3",
    )


def text() -> Clip:
    """A page of text that a thumb scrolls: three flicks, each fast at first, and a rest after each."""
    page = Image.new("RGB", (PHONE[0], 4900), "#fffdf7")
    pen, font, word = ImageDraw.Draw(page), ImageFont.load_default(24), 0
    for y in range(40, page.height - 40, 36):
        line = ""
        while pen.textlength(f"{line}{WORDS[word * 5 % len(WORDS)]}", font) < PHONE[0] - 72:
            line += WORDS[word * 5 % len(WORDS)] + " "
            word += 1
        pen.text((36, y), line, "#7a2e1d" if y // 36 % 14 == 1 else "#222222", font)
    return Clip("text", f"crop={PHONE[0]}:{PHONE[1]}:0:'1200*(floor(t/2)+1-exp(-3.5*mod(t,2)))'", (page,))


def street_map() -> Clip:
    """A map of a town that was never built, panned in two sweeps with a rest between; it begins far from the river."""
    size = (2400, 1500)
    town, chance = Image.new("RGB", size, "#f2efe9"), np.random.default_rng(4)
    pen = ImageDraw.Draw(town)
    for _ in range(40):
        x, y, w, h = chance.integers((0, 0, 80, 60), (*size, 360, 260))
        pen.rectangle((x, y, x + w, y + h), chance.choice(["#cdebb0", "#e0dfdf", "#f7e9d7", "#dcecd0"]))
    pen.line([(x, 700 + 260 * math.sin(x / 420)) for x in range(-50, 2450, 20)], "#aad3df", 90, joint="curve")
    for edge, colour, width, count in (("#bbbbbb", "#ffffff", 10, 22), ("#c98a4b", "#fcd6a4", 22, 3)):
        lines = []
        for at, other, slope in zip(
            chance.integers(0, 1500, count), chance.integers(0, 2400, count), chance.normal(0, 0.12, count), strict=True
        ):
            lines += [[(0, at), (2400, at + 2400 * slope)], [(other, 0), (other + 1500 * slope, 1500)]]
        for stroke, wide in ((edge, width), (colour, width - 4)):
            for road in lines:
                pen.line(road, stroke, wide)
    for _ in range(110):
        x, y = chance.integers((0, 0), size)
        name = f"{WORDS[chance.integers(len(WORDS))].title()} Street"
        pen.text((x, y), name, "#444444", ImageFont.load_default(20), stroke_width=3, stroke_fill="#ffffff")
    place = f"x='1200*{_ease(0, 2.5)}-500*{_ease(3.2, 2.5)}':y='300*{_ease(0, 2.5)}+600*{_ease(3.2, 2.5)}'"
    return Clip("map", f"crop={WIDE[0]}:{WIDE[1]}:{place}", (town,))


def _ease(start: float, lasts: float) -> str:
    """ffmpeg's expression that goes from 0 to 1 in ``lasts`` seconds from ``start`` on, slow at both ends."""
    return f"(0.5-0.5*cos(PI*clip((t-{start})/{lasts},0,1)))"
