"""A flat interface on a phone: a list that scrolls, a card that opens, a switch that turns, a chart that grows."""

import math

from PIL import Image, ImageDraw, ImageFont

PHONE = (540, 1170)  # half of a usual phone's 1080 x 2340
STATUS = 44  # pixels of the status bar
HEAD = 120  # where the app's own head ends
CARDS = ("Art", "Text", "Plant", "Camera", "Charts", "Model", "Photos", "Settings", "About")
HUES = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#0e7490", "#b91c1c", "#a16207", "#475569", "#be185d")


def interface(seconds: float) -> Image.Image:
    """The screen at a time; a round of six seconds."""
    now = seconds % 6
    screen = Image.new("RGB", PHONE, "#f5f5f4")
    pen = ImageDraw.Draw(screen)
    _list(pen, scrolled=round(420 * _ease((now - 0.4) / 1.0)), on=_ease((now - 1.6) / 0.25))
    opened = _ease((now - 2.2) / 0.4) - _ease((now - 5.2) / 0.4)
    if opened > 0:
        _card(pen, left=round(PHONE[0] * (1 - opened)), drawn=_ease((now - 2.7) / 2))
    pen.rectangle((0, 0, PHONE[0], STATUS), "#1c1917")
    pen.text((24, 10), "9:41", "#ffffff", ImageFont.load_default(22))
    pen.rounded_rectangle((470, 13, 512, 31), 4, outline="#ffffff", width=2)
    pen.rectangle((474, 17, 500, 27), "#ffffff")
    pen.rectangle((0, STATUS, PHONE[0], HEAD), "#292524")
    pen.text((24, STATUS + 20), "Art, Text, Plant", "#ffffff", ImageFont.load_default(32))
    return screen


def _ease(part: float) -> float:
    """From 0 to 1 as ``part`` does, slow at both ends; held outside."""
    return 0.5 - 0.5 * math.cos(math.pi * min(max(part, 0), 1))


def _list(pen: ImageDraw.ImageDraw, scrolled: int, on: float) -> None:
    large, small = ImageFont.load_default(30), ImageFont.load_default(20)
    for number, (name, hue) in enumerate(zip(CARDS, HUES, strict=True)):
        y = HEAD + 20 + 170 * number - scrolled
        pen.rounded_rectangle((20, y, PHONE[0] - 20, y + 150), 18, "#ffffff", "#e7e5e4", 2)
        pen.ellipse((44, y + 35, 124, y + 115), hue)
        pen.text((150, y + 38), name, "#1c1917", large)
        pen.text((150, y + 84), f"{number * 7 + 12} pictures, {90 + number} %", "#78716c", small)
        turned = on if number == 4 else number % 2
        track = tuple(round(a + (b - a) * turned) for a, b in zip((214, 211, 209), (22, 163, 74), strict=True))
        pen.rounded_rectangle((430, y + 56, 494, y + 92), 18, track)
        knob = 433 + round(28 * turned)
        pen.ellipse((knob, y + 59, knob + 30, y + 89), "#ffffff")


def _card(pen: ImageDraw.ImageDraw, left: int, drawn: float) -> None:
    pen.rectangle((left, HEAD, left + PHONE[0], PHONE[1]), "#ffffff")
    pen.text((left + 40, HEAD + 40), "Charts", "#0e7490", ImageFont.load_default(64))
    for line in range(6):
        y = HEAD + 220 + 70 * line
        pen.line((left + 40, y, left + 500, y), "#e7e5e4", 2)
    shown = max(2, round(230 * drawn))
    for hue, phase in zip(HUES[:3], (0, 2, 4), strict=True):
        points = [
            (left + 40 + 2 * x, HEAD + 395 - 130 * math.sin(x / 37 + phase) * math.cos(x / 90)) for x in range(shown)
        ]
        pen.line(points, hue, 5, joint="curve")
    pen.text((left + 40, HEAD + 640), f"{drawn * 98.4:.1f} %", "#1c1917", ImageFont.load_default(90))
    pen.text((left + 40, HEAD + 760), "right on photos of others", "#78716c", ImageFont.load_default(26))
