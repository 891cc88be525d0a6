"""What `bundle.decode` promises: a picture comes out right, anything else as a PictureError."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from bundle.decode import decode, open_rgb, to_frame
from bundle.errors import AnimatedPicture, NotAPicture, PictureError, TooManyPixels, TruncatedPicture

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def encode(image: Image.Image, fmt: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def plain(colour: tuple[int, int, int] = RED, size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.new("RGB", size, colour)


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """Something with edges and gradients, the same every time."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [x * 255 // width, y * 255 // height, (x * y) % 251]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def png_header(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with hardly any data behind it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 10000))


def colour_of(frame: np.ndarray) -> tuple[int, int, int]:
    r, g, b = frame.reshape(-1, 3).mean(axis=0)
    return round(r), round(g), round(b)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_every_taken_format_gives_a_writable_frame(fmt: str) -> None:
    frame = decode(encode(plain(), fmt), 32)
    assert frame.shape == (32, 32, 3)
    assert frame.dtype == np.uint8
    assert frame.flags.writeable
    assert frame.flags.c_contiguous
    assert np.abs(frame.astype(int) - RED).max() <= 3


def test_format_is_read_from_the_content_not_told_by_anyone() -> None:
    with pytest.raises(NotAPicture, match="this is a WebP file; JPEG is taken"):
        decode(encode(plain(), "WEBP"), 32, formats=("JPEG",))


def test_same_bytes_give_the_same_frame() -> None:
    data = encode(scene(640, 480), "JPEG")
    assert np.array_equal(decode(data, 224), decode(data, 224))


def test_frame_is_the_centre_square() -> None:
    image = plain(GREEN, (90, 30))
    image.paste(RED, (0, 0, 30, 30))
    image.paste(BLUE, (60, 0, 90, 30))
    assert colour_of(to_frame(image, 16)) == GREEN
    assert colour_of(to_frame(image.rotate(90, expand=True), 16)) == GREEN


def test_scaling_down_is_antialiased() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    frame = to_frame(Image.fromarray(stripes), 32)
    assert np.abs(frame.astype(int) - 127).max() <= 6  # grey; without antialiasing black or white


def test_jpeg_is_reduced_only_while_both_sides_suffice() -> None:
    data = encode(scene(640, 480), "JPEG")
    assert open_rgb(data, min_side=224).size == (320, 240)
    assert open_rgb(data, min_side=256).size == (640, 480)
    assert open_rgb(data, min_side=0).size == (640, 480)
    assert min(open_rgb(data, min_side=60).size) >= 60


def test_reduced_jpeg_looks_like_the_full_one() -> None:
    image = scene(640, 480)
    full, reduced = (
        to_frame(image, 100).astype(int),
        decode(encode(image, "JPEG", quality=95), 100).astype(int),
    )
    assert np.abs(full - reduced).mean() < 3


def with_orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(fmt: str, orientation: int) -> None:
    """The corner that a viewer shows top left, for a picture that is stored with its red corner top left."""
    shown_at = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}
    stored = Image.new("RGB", (64, 64), BLUE)
    stored.paste(RED, (0, 0, 32, 32))
    options = {"lossless": True} if fmt == "WEBP" else {}
    frame = decode(encode(stored, fmt, exif=with_orientation(orientation), **options), 64)
    row, column = shown_at[orientation]
    assert np.abs(frame[8 + 48 * row, 8 + 48 * column].astype(int) - RED).max() < 12


def test_exif_turn_swaps_the_sides() -> None:
    data = encode(scene(96, 64), "JPEG", exif=with_orientation(6))
    assert open_rgb(data, min_side=0).size == (64, 96)


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0garbage that is no TIFF header",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0" + b"\xff" * 8,
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04abc\0\0\0\0\0",  # orientation as text
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x05\0\0\0\x01\xff\xff\xff\xff",  # as a fraction
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x63\0\0\0\0\0\0",  # 99
    ],
)
def test_broken_exif_counts_as_upright(exif: bytes) -> None:
    frame = decode(encode(plain(), "JPEG", exif=exif), 32)
    assert np.abs(np.asarray(colour_of(frame)) - RED).max() <= 3


def test_cmyk_becomes_rgb() -> None:
    """Pillow writes CMYK as Adobe does, inverted."""
    for colour in (RED, GREEN, BLUE):
        frame = decode(encode(plain(colour).convert("CMYK"), "JPEG", quality=95), 32)
        assert np.abs(np.asarray(colour_of(frame)) - colour).max() <= 4


def test_sixteen_bits_become_eight_by_division() -> None:
    levels = np.repeat(np.array([0, 255, 256, 32768, 65535], np.uint16), 100).reshape(5, 10, 10)
    got = [int(decode(encode(Image.fromarray(level)), 8)[4, 4, 0]) for level in levels]
    assert got == [0, 0, 1, 128, 255]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("1", (20, 20), 1), (255, 255, 255)),
        (Image.new("L", (20, 20), 77), (77, 77, 77)),
        (plain(GREEN).quantize(4), GREEN),
        (Image.new("LA", (20, 20), (10, 255)), (10, 10, 10)),
        (Image.new("LA", (20, 20), (10, 0)), (255, 255, 255)),
        (Image.new("RGBA", (20, 20), (255, 0, 0, 255)), RED),
        (Image.new("RGBA", (20, 20), (255, 0, 0, 0)), (255, 255, 255)),
        (Image.new("RGBA", (20, 20), (0, 0, 0, 128)), (127, 127, 127)),
    ],
    ids=["1-bit", "grey", "palette", "grey+opaque", "grey+clear", "opaque", "clear", "half"],
)
def test_every_mode_lies_on_white(image: Image.Image, expected: tuple[int, int, int]) -> None:
    assert colour_of(decode(encode(image), 16)) == expected


def test_transparent_palette_entry_lies_on_white() -> None:
    image = Image.new("P", (20, 20), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    assert colour_of(decode(encode(image, transparency=0), 16)) == (255, 255, 255)
    assert colour_of(decode(encode(image, transparency=bytes([128])), 16)) == (255, 127, 127)


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (3, 2)])
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_slivers_are_answered(size: tuple[int, int], fmt: str) -> None:
    frame = decode(encode(plain(GREEN, size), fmt), 32)
    assert np.abs(np.asarray(colour_of(frame)) - GREEN).max() <= 4


def test_photo_with_a_preview_behind_it_is_answered() -> None:
    data = encode(plain(RED), "MPO", save_all=True, append_images=[plain(BLUE)])
    assert np.abs(np.asarray(colour_of(decode(data, 32))) - RED).max() <= 3


@pytest.mark.parametrize("data", [png_header(30_000, 30_000), png_header(2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_seen_in_the_header(data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TooManyPixels, match="scale it down"):
            decode(data, 224)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_pixel_limit_is_told_and_kept() -> None:
    data = encode(plain(size=(100, 100)))
    assert open_rgb(data, min_side=0, max_pixels=10_000).size == (100, 100)
    with pytest.raises(TooManyPixels, match="100 x 100 pixels"):
        open_rgb(data, min_side=0, max_pixels=9_999)


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": with_orientation(1)}])
def test_webp_size_is_seen_before_libwebp_reserves_memory(
    options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(plain(size=(300, 200)), "WEBP", **options)
    monkeypatch.setattr("bundle.decode._open", lambda *_: pytest.fail("opened"))
    with pytest.raises(TooManyPixels, match="300 x 200 pixels"):
        decode(data, 32, max_pixels=59_999)


def test_gif_is_refused_with_the_formats_that_are_taken() -> None:
    data = encode(plain(RED), "GIF", save_all=True, append_images=[plain(BLUE)])
    with pytest.raises(NotAPicture, match="this is a GIF file; JPEG, PNG and WebP are taken"):
        decode(data, 32)


@pytest.mark.parametrize("fmt", ["PNG", "WEBP"])
def test_animation_is_refused(fmt: str) -> None:
    data = encode(plain(RED), fmt, save_all=True, append_images=[plain(BLUE)])
    with pytest.raises(AnimatedPicture, match="one frame"):
        decode(data, 32)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"just some text that somebody called photo.jpg",
        "<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>".encode("utf-16"),
        b"PK\x03\x04" + bytes(100),
        b"%PDF-1.7",
        b"\0" * 1000,
        b"\0\0\0\x18ftypmp42" + bytes(64),
        encode(plain(), "BMP"),
        encode(plain(), "TIFF"),
    ],
    ids=["empty", "text", "utf-16", "zip", "pdf", "zeros", "video", "bmp", "tiff"],
)
def test_what_is_no_picture_is_named_so(data: bytes) -> None:
    with pytest.raises(NotAPicture, match="JPEG, PNG and WebP are taken"):
        decode(data, 32)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_breaks_off_is_named_so(fmt: str) -> None:
    data = encode(scene(), fmt)
    for length in (12, 40, len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(TruncatedPicture):
            decode(data[:length], 32)


@pytest.mark.parametrize(
    "error", [MemoryError(), OverflowError("x"), KeyError("x"), struct.error("x"), zlib.error("x")]
)
def test_whatever_pillow_raises_becomes_a_picture_error(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    with pytest.raises(PictureError):
        decode(encode(plain()), 32)


MUTANTS = {
    "jpeg": encode(scene(), "JPEG", exif=with_orientation(6)),
    "progressive": encode(scene(), "JPEG", progressive=True, quality=60),
    "cmyk": encode(scene().convert("CMYK"), "JPEG"),
    "png": encode(scene()),
    "palette": encode(scene().quantize(16), transparency=3),
    "png-exif": encode(scene().convert("RGBA"), exif=with_orientation(3)),
    "apng": encode(scene(), save_all=True, append_images=[plain(BLUE, (96, 64))]),
    "webp": encode(scene(), "WEBP", exif=with_orientation(8)),
    "lossless": encode(scene().convert("RGBA"), "WEBP", lossless=True),
}


@st.composite
def mutants(draw: st.DrawFn, data: bytes) -> bytes:
    """``data`` with some bytes changed (headers more often than the rest), cut off, or a piece taken out."""
    body = bytearray(data)
    place = st.integers(0, min(len(body) - 1, 200)) | st.integers(0, len(body) - 1)
    for position, value in draw(st.lists(st.tuples(place, st.integers(0, 255)), max_size=8)):
        body[position] = value
    start, length = draw(place), draw(st.sampled_from([0, 0, 0, 1, 7, 100, len(body)]))
    del body[start : start + length]
    return bytes(body)


@pytest.mark.parametrize("name", MUTANTS)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.differing_executors], database=None)
@given(random=st.data())
def test_a_damaged_picture_gives_a_frame_or_a_picture_error(name: str, random: st.DataObject) -> None:
    data = random.draw(mutants(MUTANTS[name]))
    try:
        frame = decode(data, 32, max_pixels=4_000_000)
    except PictureError:
        return
    assert frame.shape == (32, 32, 3)


@settings(max_examples=300, deadline=None, database=None)
@given(
    st.sampled_from([b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x64\0\0\0WEBPVP8 ", b""]),
    st.binary(max_size=300),
)
def test_garbage_behind_a_right_beginning_is_a_picture_error(beginning: bytes, rest: bytes) -> None:
    with pytest.raises(PictureError):
        decode(beginning + rest, 32)
