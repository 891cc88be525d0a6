"""Pictures for the page: a photo as JPEG, and thumbnails of it that are made once."""

import hashlib
import io
from contextlib import suppress
from pathlib import Path

from PIL import Image

from pipeline.core import files
from pipeline.core.errors import DataError, StorageError
from pipeline.data.frames import read_photo
from studio.errors import NotFoundError

FOLDER = Path(".studio/thumbs")
QUALITY = 85


def picture(path: Path, side: int | None = None, folder: Path = FOLDER) -> tuple[str, bytes]:
    """A photo as JPEG: the sha256 of its file, and the bytes.

    Args:
        path: the photo, of any format that the pipeline takes.
        side: pixels of the longer side at most; None for the photo as it is.
        folder: where thumbnails are kept, each named after the sha256 of the photo.

    Raises:
        NotFoundError: it is not there, or no picture.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{path.name} is not there (any more); load the page again") from error
    sha256 = hashlib.sha256(data).hexdigest()
    if side is None and data.startswith(b"\xff\xd8\xff"):
        return sha256, data
    kept = folder / f"{sha256}-{side or 'full'}.jpg"
    with suppress(OSError):
        return sha256, kept.read_bytes()
    try:
        image = read_photo(path, side or 0)
    except DataError as error:
        raise NotFoundError(str(error)) from error
    if side is not None:
        image.thumbnail((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    with suppress(StorageError):  # a full disk: made again the next time
        files.write_bytes(kept, buffer.getvalue())
    return sha256, buffer.getvalue()
