"""The pictures that every server is asked about, and the bodies in which they travel."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageOps

from pipeline.core.errors import DataError
from pipeline.data import split

SIZE = (640, 480)  # what a webcam gives
QUALITY = 85
NUMBER = 20
BOUNDARY = "bench-3f7a9c21"

Wrap = Callable[[bytes], bytes]


def make(number: int = NUMBER, size: tuple[int, int] = SIZE, images: Path = Path("data/images")) -> list[bytes]:
    """Photos of the test split, evenly over its list, as JPEGs of ``size``.

    Raises:
        DataError: there is no split yet.
    """
    rows = [row for row in split.read_split(split.SPLIT) if row.split == "test"]
    if len(rows) < number:
        raise DataError(
            f"{split.SPLIT} has {len(rows)} test pictures, and {number} are needed; run `dvc repro validate`"
        )
    return [_frame(images / rows[index * len(rows) // number].file, size) for index in range(number)]


def _frame(path: Path, size: tuple[int, int]) -> bytes:
    with Image.open(path) as photo:
        return _jpeg(ImageOps.fit(photo.convert("RGB"), size, Image.Resampling.BILINEAR))


def small() -> bytes:
    """A JPEG of one colour, 64 x 48: as little to send and to decode as a picture can be."""
    return _jpeg(Image.new("RGB", (64, 48), (20, 200, 30)))


def _jpeg(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=QUALITY)
    return data.getvalue()


def raw(picture: bytes) -> bytes:
    """The file itself."""
    return picture


def multipart(picture: bytes) -> bytes:
    """A form with the file in the field ``image``."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="frame.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + picture + f"\r\n--{BOUNDARY}--\r\n".encode()


def dataframe(picture: bytes) -> bytes:
    """MLflow's JSON for a table of one column and one row, binary values in base64."""
    value = base64.b64encode(picture).decode()
    return json.dumps({"dataframe_split": {"columns": ["image"], "data": [[value]]}}).encode()


CONTENT_TYPES: dict[Wrap, str] = {
    raw: "image/jpeg",
    multipart: f"multipart/form-data; boundary={BOUNDARY}",
    dataframe: "application/json",
}
