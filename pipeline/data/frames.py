"""Photos as the service sees them: one way to decode and crop, that of `bundle.decode`, and HEIC besides."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from bundle.decode import open_rgb, to_frame
from bundle.errors import PictureError
from pipeline.core.errors import DataError

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
pillow_heif.register_heif_opener()  # phones write HEIC; the pipeline alone reads it: the service takes web formats


def read_photo(path: Path, min_side: int) -> Image.Image:
    """Decode ``path`` to RGB as the service does, see `bundle.decode.open_rgb`.

    Raises:
        DataError: the file is missing or no picture.
    """
    try:
        return open_rgb(path.read_bytes(), min_side=min_side, formats=FORMATS)
    except OSError as error:
        raise DataError(f"{path} can't be read ({error.strerror}); run `dvc repro` again") from error
    except PictureError as error:
        raise DataError(f"{path}: {error}") from error


def served_frames(paths: Sequence[Path], size: int) -> NDArray[np.uint8]:
    """The photos as the model gets them: uint8 [photos, size, size, 3], RGB.

    Raises:
        DataError: see `read_photo`.
    """
    frames = [to_frame(read_photo(path, size), size) for path in paths]
    return np.stack(frames) if frames else np.empty((0, size, size, 3), np.uint8)
