"""What is in one picture: screen it, ask the engine, and count the answer.

Some pictures are small to send and large or long to decode, and a limit on pixels alone would have to suit the
hungriest format. Measured with Pillow 13 at 25 million pixels, to a frame of 224: baseline JPEG under 0.1 byte a pixel
(it is decoded at a fraction of its size), progressive JPEG 3.8, PNG 9, WebP 12.1.
"""

from typing import Final

from bundle.answer import Answer
from bundle.engine import Engine
from bundle.errors import TruncatedPicture
from service.metrics import Metrics

MAX_PIXELS: Final = 25_000_000  # whatever the memory: decoding more takes too long
BYTES_PER_PIXEL: Final = {"baseline": 0.5, "progressive": 6.0, "other": 12.5}  # of memory, with some to spare

# Photos have 1 scan (baseline) or about 10 (progressive; libjpeg's and mozjpeg's scripts), previews in their
# metadata a few more. A JPEG may repeat scans without end, and each costs a walk over all of its pixels.
MAX_SCANS: Final = 64

_JPEG: Final = b"\xff\xd8\xff"
_PROGRESSIVE: Final = b"\xff\xc2"  # the frame header of a progressive JPEG; found elsewhere it only costs a lower limit
_START_OF_SCAN: Final = b"\xff\xda"  # can't occur inside coded data, where an FF is followed by 00


def identify(
    data: bytes, model: Engine, waited: float, *, memory: int, metrics: Metrics, explain: bool = False
) -> Answer:
    """Answer a picture file in a thread of the queue, where it ``waited`` so many milliseconds, and count the answer.

    ``memory`` is what decoding may take, in bytes; with ``explain`` the answer says where in the frame the label shows.

    Raises:
        PictureError: it can't be decoded.
    """
    answer = model.identify(data, max_pixels=pixel_limit(data, memory), explain=explain, queued=waited)
    metrics.observe(answer)
    return answer


def pixel_limit(data: bytes, memory: int) -> int:
    """How many pixels this picture may have, so that decoding it takes neither too much ``memory`` nor too long.

    Raises:
        TruncatedPicture: a JPEG of more than `MAX_SCANS` scans.
    """
    kind = "other"
    if data.startswith(_JPEG):
        kind = "progressive" if _PROGRESSIVE in data else "baseline"
        if (scans := data.count(_START_OF_SCAN)) > MAX_SCANS:
            raise TruncatedPicture(
                f"this JPEG has {scans} scans, which no camera or program writes; save it again as an ordinary JPEG"
            )
    return min(MAX_PIXELS, int(memory / BYTES_PER_PIXEL[kind]))
