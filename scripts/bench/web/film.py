"""What the browser's camera sees: photos of the test split, a second each, as a film of JPEGs."""

import io
from pathlib import Path

from PIL import Image

from scripts.bench.service import pictures

SIZE = (1280, 720)  # what the page asks a camera for
FPS = 30
NUMBER = 8  # photos
QUALITY = 80


def make(path: Path) -> Path:
    """Write the film to ``path``, which has to end in .mjpeg; Chromium repeats it for ever.

    Raises:
        DataError: there is no split yet.
    """
    with path.open("wb") as film:
        for photo in pictures.make(NUMBER):
            with Image.open(io.BytesIO(photo)) as picture:
                frame = io.BytesIO()
                picture.resize(SIZE, Image.Resampling.BILINEAR).save(frame, "JPEG", quality=QUALITY)
            film.write(frame.getvalue() * FPS)
    return path
