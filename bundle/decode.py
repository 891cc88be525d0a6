"""From the bytes of a picture to the frame that a model sees: one way for training, evaluation and serving.

Decoders differ slightly, and so do ways of scaling down. A model that is trained on one and served with
another gives answers that nobody measured: the pipeline imports this module and has none of its own.

Nothing here trusts the bytes: the format is read from the content, the size from the header before anything
is decoded, and whatever Pillow raises on hostile bytes comes out as a `PictureError`.
"""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bundle.errors import AnimatedPicture, NotAPicture, TooManyPixels, TruncatedPicture

FORMATS: Final = ("JPEG", "PNG", "WEBP")  # Pillow's names
MAX_PIXELS: Final = 50_000_000  # 150 MB once decoded; a 48-megapixel phone camera still fits

_NAMES: Final = {"JPEG": "JPEG", "PNG": "PNG", "WEBP": "WebP", "HEIF": "HEIC", "AVIF": "AVIF", "TIFF": "TIFF"}

# What a file of some format begins with, so that an error can say what came instead of a picture.
_BEGINNINGS: Final = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "ZIP"),
    (b"<svg", "SVG"),
)

# Formats of phones that hold a photo and then its preview, depth or gain map: several pictures, no animation.
_CONTAINERS: Final = ("MPO", "HEIF")

_BRANDS: Final = (
    ((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "HEIF"),
    ((b"avif", b"avis"), "AVIF"),
)

# Pillow has no common ancestor for what its parsers raise on bytes that somebody bent: these are what its
# plugins let through, and what Python itself raises from inside them.
_PILLOW_RAISES: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    EOFError,
    RuntimeError,
    BufferError,
    struct.error,
    zlib.error,
)

_ORIENTATION: Final = 0x0112  # EXIF tag
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# `warnings.catch_warnings` swaps a list of the whole process: two threads in it could leave the wrong one.
_quiet = threading.Lock()


def decode(
    data: bytes, size: int, *, max_pixels: int = MAX_PIXELS, formats: Sequence[str] = FORMATS
) -> NDArray[np.uint8]:
    """Decode a picture to the frame that a model of input ``size`` takes: uint8 [size, size, 3], RGB, 0..255.

    Raises:
        PictureError: see `open_rgb`.
    """
    return to_frame(open_rgb(data, min_side=size, max_pixels=max_pixels, formats=formats), size)


def to_frame(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Cut the largest square from the centre of an RGB image and scale it to uint8 [size, size, 3].

    The scaling is Pillow's bilinear, whose support grows with the reduction (antialiased). The array is
    contiguous and writable, as `torch.from_numpy` wants it.
    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))  # resize's own `box` lets neighbours bleed in
    return np.array(square.resize((size, size), Image.Resampling.BILINEAR), dtype=np.uint8)


def open_rgb(
    data: bytes, *, min_side: int, max_pixels: int = MAX_PIXELS, formats: Sequence[str] = FORMATS
) -> Image.Image:
    """Decode a picture to a loaded, upright RGB image.

    A JPEG may come out reduced by 2, 4 or 8 (which its coding gives away for nearly nothing) as long as both
    sides keep at least ``min_side`` pixels; with ``min_side=0`` it is never reduced. Alpha lies on white, 16
    bits become 8 by division, CMYK becomes RGB, EXIF's orientation is applied (a broken EXIF is ignored).

    Args:
        data: the whole file.
        min_side: pixels that the shorter side keeps when a JPEG is reduced; 0 for the full picture.
        max_pixels: limit on width x height in the header; Pillow's own of 178 million holds beside it.
        formats: Pillow's names of the formats that are taken.

    Raises:
        NotAPicture: empty, no picture, or of another format than ``formats``.
        TooManyPixels: over ``max_pixels``; seen in the header, nothing was decoded.
        AnimatedPicture: more than one frame.
        TruncatedPicture: it breaks off or is damaged.
    """
    if not data:
        raise NotAPicture(f"the file is empty (0 bytes); {_taken(formats)}")
    kind = _sniff(data)
    if kind is not None and kind not in formats:
        raise NotAPicture(f"this is a {_NAMES.get(kind, kind)} file; {_taken(formats)}")
    _check_pixels(_header_size(kind, data), max_pixels)  # first: opening a WebP reserves its canvas already
    try:
        image = _open(data, formats)
        _check_pixels(image.size, max_pixels)
        if getattr(image, "n_frames", 1) > 1 and image.format not in _CONTAINERS:
            raise AnimatedPicture("this picture is animated; use one frame of it")
        if min_side and kind == "JPEG":
            image.draft("RGB", (min_side, min_side))
        image.load()
        return _upright(_to_rgb(image), _orientation(image))
    except Image.DecompressionBombError as error:
        raise TooManyPixels(_too_many(max_pixels)) from error
    except MemoryError as error:
        raise TooManyPixels("the picture does not fit in memory; scale it down") from error
    except UnidentifiedImageError as error:
        if kind is None:
            raise NotAPicture(f"this is no picture that can be read; {_taken(formats)}") from error
        raise TruncatedPicture(f"this {_NAMES.get(kind, kind)} is damaged at its head; use an intact copy") from error
    except _PILLOW_RAISES as error:
        raise TruncatedPicture(f"the picture breaks off or is damaged ({error}); use an intact copy") from error


def _sniff(data: bytes) -> str | None:
    """Name the format that ``data`` begins like, Pillow's way where Pillow knows it."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return next((name for brands, name in _BRANDS if data[8:12] in brands), "video")
    return next((name for beginning, name in _BEGINNINGS if data.startswith(beginning)), None)


def _taken(formats: Sequence[str]) -> str:
    *names, last = (_NAMES.get(name, name) for name in formats)
    return f"{', '.join(names)} and {last} are taken" if names else f"{last} is taken"


def _too_many(max_pixels: int, size: tuple[int, int] | None = None) -> str:
    found = f"{size[0]} x {size[1]} pixels" if size else "more pixels than can be decoded safely"
    return f"the picture has {found}, the limit is {max_pixels / 1e6:g} million; scale it down"


def _check_pixels(size: tuple[int, int] | None, max_pixels: int) -> None:
    if size is not None and size[0] * size[1] > max_pixels:
        raise TooManyPixels(_too_many(max_pixels, size))


def _header_size(kind: str | None, data: bytes) -> tuple[int, int] | None:
    """Read width and height where that is a matter of a few bytes; None where Pillow shall say what is wrong.

    Sources: PNG specification, 11.2.1 (IHDR); RFC 9649, 2.5 to 2.7 (WebP).
    """
    if kind == "PNG" and data[12:16] == b"IHDR" and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return width, height
    chunk, head = data[12:16], data[20:30]
    if kind != "WEBP" or len(head) < 10:
        return None
    if chunk == b"VP8X":
        return int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 6)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _open(data: bytes, formats: Sequence[str]) -> Image.Image:
    """Open without decoding; nobody can act on Pillow's warnings (broken metadata, many pixels)."""
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Image.open(io.BytesIO(data), formats=tuple(formats))


def _orientation(image: Image.Image) -> int:
    """Read EXIF's orientation, 1..8; 1 where there is none or it can't be read."""
    try:
        with _quiet, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = image.getexif().get(_ORIENTATION, 1)
    except _PILLOW_RAISES:
        return 1
    return value if isinstance(value, int) else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    method = _UPRIGHT.get(orientation)
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded image of any mode to RGB."""
    if image.mode.startswith("I"):  # I;16, I;16B, I: Pillow's own conversion would clip at 255
        high = np.clip(np.asarray(image), 0, 0xFFFF) >> 8  # what Pillow keeps of 16-bit colour, too
        return Image.fromarray(high.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        white = Image.new("RGB", coloured.size, (255, 255, 255))
        white.paste(coloured, mask=coloured.getchannel("A"))
        return white
    return image if image.mode == "RGB" else image.convert("RGB")
