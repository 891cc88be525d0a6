"""Pictures that are small to send and large or long to decode: how many pixels each may have, by its format.

A limit on pixels alone would have to suit the hungriest format. Measured with Pillow 13 at 25 million pixels,
to a frame of 224: baseline JPEG under 0.1 byte a pixel (it is decoded at a fraction of its size), progressive
JPEG 3.8, PNG 9, WebP 12.1.
"""

from typing import Final

from bundle.errors import TruncatedPicture

_JPEG: Final = b"\xff\xd8\xff"
_PROGRESSIVE: Final = b"\xff\xc2"  # the frame header of a progressive JPEG; found elsewhere it only costs a lower limit
_START_OF_SCAN: Final = b"\xff\xda"  # can't occur inside coded data, where an FF is followed by 00

BYTES_PER_PIXEL: Final = {"baseline": 0.5, "progressive": 6.0, "other": 12.5}  # of memory, with some to spare

# Photos have 1 scan (baseline) or about 10 (progressive; libjpeg's and mozjpeg's scripts), previews in their
# metadata a few more. A JPEG may repeat scans without end, and each costs a walk over all of its pixels.
MAX_SCANS: Final = 64


def pixel_limit(data: bytes, *, pixels: int, memory: int) -> int:
    """How many pixels this picture may have, so that decoding it takes neither too much memory nor too long.

    Args:
        data: the file.
        pixels: the limit for all.
        memory: bytes that decoding may take.

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
    return min(pixels, int(memory / BYTES_PER_PIXEL[kind]))
