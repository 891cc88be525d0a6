"""Films for the browser's camera, made of pictures of the test split."""

import subprocess
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

import imageio_ffmpeg
from PIL import Image, ImageOps

from pipeline.data.split import SPLIT, read_split
from scripts.dev.browser import CAMERA_FILM

ROOT: Final = Path(__file__).parents[1]
IMAGES: Final = ROOT / "data/images"
WIDTH, HEIGHT = 640, 480  # pixels, as webcams give
FPS: Final = 30  # what Chromium's fake camera plays MJPEG at, whatever the file says
SECONDS_A_PICTURE: Final = 0.5


def pictures_of(label: str) -> list[Path]:
    """Pictures of ``label`` that nothing was fitted on, sorted by name.

    Raises:
        DataError: there is no split yet.
    """
    rows = read_split(ROOT / SPLIT)
    return [IMAGES / row.file for row in rows if row.split == "test" and row.label == label]


def frame(picture: Path) -> Image.Image:
    """A camera's frame, `WIDTH` x `HEIGHT` RGB: the picture's middle square fills its height, its blur the rest.

    The page crops the middle square, so it sees what the model was measured on.
    """
    with Image.open(picture) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGB")
    filling = ImageOps.fit(upright, (WIDTH, HEIGHT)).resize((16, 12)).resize((WIDTH, HEIGHT))
    square = ImageOps.fit(upright, (HEIGHT, HEIGHT))
    filling.paste(square, ((WIDTH - HEIGHT) // 2, 0))
    return filling


def write(film: Path, frames: Sequence[Image.Image], repeat: int = 1) -> Path:
    """Write an MJPEG film of ``frames``, each shown ``repeat`` times; return ``film``.

    Raises:
        subprocess.CalledProcessError: ffmpeg failed; its words are in `stderr`.
    """
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error",
        "-f", "image2pipe", "-framerate", str(FPS), "-c:v", "png", "-i", "-",
        *CAMERA_FILM, str(film),
    ]  # fmt: skip
    data = b"".join(_png(image) * repeat for image in frames)
    subprocess.run(command, input=data, check=True, capture_output=True)
    return film


def of_label(label: str, folder: Path, most: int = 6) -> Path:
    """A film of up to ``most`` test pictures of ``label``, `SECONDS_A_PICTURE` each; made once in ``folder``."""
    film = folder / f"{label}.mjpeg"
    if not film.exists():
        pictures = pictures_of(label)
        step = max(1, len(pictures) // most)
        write(film, [frame(each) for each in pictures[::step][:most]], round(FPS * SECONDS_A_PICTURE))
    return film


def _png(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()
