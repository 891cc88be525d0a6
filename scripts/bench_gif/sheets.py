"""Contact sheets: the same moment of a clip in each contender's GIF, side by side, to be looked at."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from scripts.bench_gif.contenders import film_path
from scripts.bench_gif.measure import Row

CAPTION = 34
GAP = 8
ROW = 5  # pictures beside each other
PART = 0.6  # of the film: where the moment lies


def sheet(rows: Sequence[Row], gifs: Path) -> Image.Image:
    """One frame of each of the ``rows``, which are of one clip, at its own size."""
    rows = [row for row in rows if not row.contender.endswith(".mp4")]  # Pillow reads none
    pictures = [_frame(film_path(gifs, row.clip, row.contender)) for row in rows]
    width, height = max(p.width for p in pictures), max(p.height for p in pictures)
    lines = -(-len(pictures) // ROW)
    size = (ROW * (width + GAP), lines * (height + CAPTION + GAP))
    made = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(made), ImageFont.load_default(13)
    for number, (row, picture) in enumerate(zip(rows, pictures, strict=True)):
        x, y = number % ROW * (width + GAP), number // ROW * (height + CAPTION + GAP)
        pen.text((x, y), f"{row.contender}\n{row.bytes / 1e3:.0f} kB, SSIM {row.ssim:.3f}", "black", font)
        made.paste(picture, (x, y + CAPTION))
    return made


def _frame(path: Path) -> Image.Image:
    """The frame that is shown when `PART` of the time is over; some leave out frames that repeat."""
    with Image.open(path) as film:
        ends: list[float] = []
        for number in range(getattr(film, "n_frames", 1)):
            film.seek(number)
            film.load()  # a WebP tells how long it is shown only then
            ends.append((ends[-1] if ends else 0) + film.info.get("duration", 0))
        film.seek(next((number for number, end in enumerate(ends) if end > PART * ends[-1]), 0))
        return film.convert("RGB")
