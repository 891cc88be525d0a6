"""Pictures and requests that somebody may send, by mistake or on purpose."""

import io
import struct
import zipfile
import zlib
from typing import Final

import numpy as np
from PIL import Image

from tests.service.test_decode import encode, plain, png_header
from tests.tiny_bundle import picture

RED: Final = (220, 20, 20)


def photo(fmt: str = "JPEG", size: tuple[int, int] = (160, 120), **options: object) -> bytes:
    """A picture with something in it, so that its coding has all parts."""
    noise = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return encode(Image.fromarray(noise).resize(size), fmt, **options)


def bomb(width: int = 30_000, height: int = 30_000) -> bytes:
    """A real PNG of a few kilobytes that would decode to gigabytes."""
    row = zlib.compressobj(9)
    packed = row.compress(b"\0" * 1_000_000) + row.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated: short to send, long to decode."""
    data = encode(plain(RED, (640, 480)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * count + data[-2:]


def zipped() -> bytes:
    """A zip file with a picture."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("photo.jpg", picture("red"))
    return buffer.getvalue()


def exif_rotated() -> bytes:
    """A JPEG that is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode(plain(RED, (64, 48)), "JPEG", exif=exif)


_FRAMES: Final = {"save_all": True, "append_images": [plain((0, 0, 9))]}

# Name: the bytes, and the kind of problem that they are (None: they are answered).
PICTURES: Final[dict[str, tuple[bytes, str | None]]] = {
    "JPEG": (photo(), None),
    "1x1": (encode(plain(RED, (1, 1))), None),
    "1x10000": (encode(plain(RED, (1, 10_000))), None),
    "10000x1": (encode(plain(RED, (10_000, 1)), "JPEG"), None),
    "CMYK": (encode(plain(RED).convert("CMYK"), "JPEG"), None),
    "16 bit": (encode(Image.fromarray(np.full((40, 40), 40_000, np.uint16))), None),
    "palette": (encode(plain(RED).quantize(4)), None),
    "palette with alpha": (encode(plain(RED).quantize(4), transparency=0), None),
    "alpha": (encode(Image.new("RGBA", (40, 40), (255, 0, 0, 7))), None),
    "grey with alpha": (encode(Image.new("LA", (40, 40), (9, 7))), None),
    "one bit": (encode(Image.new("1", (40, 40))), None),
    "WebP with alpha": (encode(Image.new("RGBA", (40, 40), (255, 0, 0, 7)), "WEBP"), None),
    "EXIF rotated": (exif_rotated(), None),
    "progressive": (photo(progressive=True), None),
    "JPEG and a tail": (photo() + b"x" * 1_000, None),
    "truncated JPEG": (photo()[:2_000], "unusable"),
    "truncated PNG": (photo("PNG")[:2_000], "unusable"),
    "truncated WebP": (photo("WEBP")[:2_000], "unusable"),
    "head only": (photo()[:10], "unusable"),
    "endless scans": (scans(200), "unusable"),
    "animated WebP": (encode(plain(), "WEBP", **_FRAMES), "unusable"),
    "animated PNG": (encode(plain(), "PNG", **_FRAMES), "unusable"),
    "PNG bomb": (bomb(), "too-large"),
    "gigapixel header": (png_header(60_000, 60_000), "too-large"),
    "PNG header of 2^31": (png_header(2**31 - 1, 2**31 - 1), "too-large"),
    "animated GIF": (encode(plain(), "GIF", **_FRAMES), "unsupported"),
    "GIF": (encode(plain(), "GIF"), "unsupported"),
    "TIFF": (encode(plain(), "TIFF"), "unsupported"),
    "BMP": (encode(plain(), "BMP"), "unsupported"),
    "zip": (zipped(), "unsupported"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "unsupported"),
    "XML bomb": (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bb">]><svg>&b;</svg>', "unsupported"),
    "UTF-16 text": ("Guten Tag, ich bin kein Bild.".encode("utf-16"), "unsupported"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", "unsupported"),
    "HTML": (b"<!doctype html><title>x</title>", "unsupported"),
    "zeros": (b"\0" * 10_000, "unsupported"),
    "one byte": (b"\xff", "unsupported"),
    "empty": (b"", "bad-request"),
}


def form(*parts: tuple[str, bytes], boundary: str = "b0undary", end: bool = True) -> tuple[bytes, str]:
    """A multipart body and its content type."""
    made = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in parts
    )
    return made + (f"--{boundary}--\r\n".encode() if end else b""), f"multipart/form-data; boundary={boundary}"


_RED: Final = picture("red")
_HEADLESS: Final = b"--b0undary\r\n\r\n" + _RED + b"\r\n--b0undary--\r\n"

# Name: body, content type, and the kind of problem.
FORMS: Final[dict[str, tuple[bytes, str, str | None]]] = {
    "good": (*form(("image", _RED)), None),
    "another field, too": (*form(("comment", b"hello"), ("image", _RED)), None),
    "no field": (*form(), "bad-request"),
    "two pictures": (*form(("image", _RED), ("image", _RED)), "bad-request"),
    "wrong name": (*form(("photo", _RED)), "bad-request"),
    "empty picture": (*form(("image", b"")), "unsupported"),
    "not ended": (*form(("image", _RED), end=False), "bad-request"),
    "a part without head": (_HEADLESS, "multipart/form-data; boundary=b0undary", "bad-request"),
    "no boundary": (form(("image", _RED))[0], "multipart/form-data", "bad-request"),
    "empty boundary": (form(("image", _RED))[0], 'multipart/form-data; boundary=""', "bad-request"),
    "long boundary": (form(("image", _RED))[0], "multipart/form-data; boundary=" + "x" * 80, "bad-request"),
    "other boundary": (form(("image", _RED))[0], "multipart/form-data; boundary=other", "bad-request"),
    "many parts": (*form(*[("x", b"")] * 2_000), "bad-request"),
    "line ends": (b"\r\n" * 400_000, "multipart/form-data; boundary=b0undary", "bad-request"),
    "delimiters": (b"\r\n--b0undary" * 60_000, "multipart/form-data; boundary=b0undary", "bad-request"),
    "empty body": (b"", "multipart/form-data; boundary=b0undary", "bad-request"),
    "JSON": (b'{"image": "x"}', "application/json", "unsupported"),
    "form of a browser": (b"image=x", "application/x-www-form-urlencoded", "unsupported"),
    "picture under another name": (_RED, "text/plain", None),
}
