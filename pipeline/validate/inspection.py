"""Each picture decoded once, and everything that validate wants to know measured in that one pass.

Why not cleanvision, which measures much the same: it reads every file twice (scores, then hashes: 146
pictures a second on 2 cores, and a checksum, EXIF and a thumbnail would be a third time), its near duplicates
are equal hashes only, not similar ones, it passes over what it can't open, and importing it costs each worker
0.9 s. imagehash does the hashing here.
"""

import hashlib
import io
import multiprocessing
import os
import re
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bundle.decode import open_rgb
from bundle.errors import AnimatedPicture, NotAPicture, PictureError, TooManyPixels
from pipeline.core.errors import DataError
from pipeline.data.findings import Kind
from pipeline.data.heif import FORMATS

MEASURED_SIDE = 224  # pixels of the shorter side at which blur and light are measured: what a model sees
LOOK_SIDE = 16  # a look is the picture as 16 x 16 grey values: confirms what equal hashes suggest
CHUNK = 16  # pictures handed to a worker at a time
FEW = 10_000_000  # bytes: what one process decodes in the time that a pool takes to start
MAX_BYTES = 200_000_000  # of a file; a photo of 50 million pixels is far smaller in any format

_EXIF_MAKE, _EXIF_MODEL, _EXIF_TIME, _EXIF_DETAILS, _EXIF_ORIGINAL_TIME = (
    0x010F,
    0x0110,
    0x0132,
    0x8769,
    0x9003,
)

# 20260131_142501, 2026-01-31 14.25.01, PXL_20260131_142501123: what phones and screenshots are called
_NAMED_TIME = re.compile(
    r"(?<!\d)(20\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)[-_ T.]{1,2}"  # date
    r"([0-2]\d)[-_.h]?([0-5]\d)[-_.m]?([0-5]\d)(?:\d{3})?(?!\d)"  # time, perhaps with milliseconds
)


@dataclass(frozen=True)
class Measures:
    """What one decoded picture shows."""

    sha256: str  # of the file
    pixels: str  # sha256 of the decoded pixels: equal for copies that differ in metadata only
    format: str  # as Pillow calls it
    width: int  # pixels, as stored, before EXIF's rotation
    height: int
    phash: int  # perceptual hash, 64 bits
    look: bytes  # LOOK_SIDE x LOOK_SIDE grey values, row by row
    sharpness: float  # steepest edges as a part of the contrast; 0: one colour, under 0.15: blurred, 1: crisp
    dark_end: int  # grey value 0..255 that 1 % of the pixels stay below
    bright_end: int  # grey value that 5 % of the pixels exceed
    contrast: float  # standard deviation of the grey values
    camera: str  # maker and model from EXIF, "" if unknown
    taken: float | None  # seconds since 1970 by the camera's clock, from EXIF or the file name
    thumbnail: bytes  # JPEG


@dataclass(frozen=True)
class Inspection:
    """The measures of a picture, or why there are none."""

    file: str
    measures: Measures | None
    problem: tuple[Kind, str] | None = None


def inspect_all(
    images: Path,
    files: Sequence[str],
    *,
    max_pixels: int,
    thumbnail: int,
    progress: Callable[[int, int], None] = lambda _, __: None,
    workers: int | None = None,
) -> list[Inspection]:
    """Inspect ``files`` (relative to ``images``) in a pool of processes; the result is in their order.

    Args:
        max_pixels: width x height above which a picture is not decoded.
        thumbnail: pixels of the shorter side of the thumbnails.
        progress: told how many pictures are done, and of how many.
        workers: processes; by default one a core that this process may use.

    Raises:
        DataError: a worker died, which takes a picture that crashes the decoder or a machine out of memory.
    """
    work = partial(_inspect_chunk, images, max_pixels, thumbnail)
    chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    workers = min(workers or _cores(), len(chunks))
    done: list[Inspection] = []
    if workers <= 1 or _size(images, files) < FEW:
        for chunk in chunks:
            done += work(chunk)
            progress(len(done), len(files))
        return done
    # Spawned, not forked, on every system: the parent draws progress in a thread, which a fork would break.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            for inspections in pool.map(work, chunks):
                done += inspections
                progress(len(done), len(files))
        except BrokenProcessPool as error:
            near = files[len(done) : len(done) + CHUNK * workers]
            raise DataError(
                f"a process died while it read one of {near[0]} ... {near[-1]} in {images}: the machine ran "
                f"out of memory, or one of them crashes the decoder; move them away by halves to find it"
            ) from error
    return done


def _size(images: Path, files: Sequence[str]) -> int:
    """Bytes of all the files; one that can't be looked at counts nothing, and is reported when it is opened."""
    total = 0
    for file in files:
        with suppress(OSError):
            total += (images / file).stat().st_size
    return total


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _inspect_chunk(images: Path, max_pixels: int, thumbnail: int, files: Sequence[str]) -> list[Inspection]:
    return [inspect(images, file, max_pixels=max_pixels, thumbnail=thumbnail) for file in files]


def inspect(images: Path, file: str, *, max_pixels: int, thumbnail: int) -> Inspection:
    """Decode one picture and measure it. Whatever is wrong with the file comes back as its `problem`."""
    path = images / file
    try:
        if path.stat().st_size > MAX_BYTES:
            limit = f"{MAX_BYTES // 1_000_000} MB"
            return Inspection(file, None, ("not_a_picture", f"larger than {limit}; no photo is; remove it"))
        data = path.read_bytes()
    except OSError as error:
        return Inspection(file, None, ("unreadable", f"{error.strerror}; check its permissions, or `dvc checkout`"))
    try:
        image = open_rgb(data, min_side=MEASURED_SIDE, max_pixels=max_pixels, formats=FORMATS)
    except PictureError as error:
        return Inspection(file, None, (_kind_of(error), str(error)))
    return Inspection(file, _measure(file, data, image, thumbnail))


def _kind_of(error: PictureError) -> Kind:
    if isinstance(error, NotAPicture):
        return "not_a_picture"
    if isinstance(error, TooManyPixels):
        return "too_many_pixels"
    return "animated" if isinstance(error, AnimatedPicture) else "damaged"


def _measure(file: str, data: bytes, image: Image.Image, thumbnail: int) -> Measures:
    """Measure ``image``: RGB, upright, not much smaller than MEASURED_SIDE unless the file is."""
    grey = _shrunk(image.convert("L"), MEASURED_SIDE)
    values = np.asarray(grey)
    histogram = np.cumsum(grey.histogram())
    dark_end, bright_end = (int(np.searchsorted(histogram, part * histogram[-1])) for part in (0.01, 0.95))
    header = _header(data)
    return Measures(
        sha256=hashlib.sha256(data).hexdigest(),
        pixels=hashlib.sha256(b"%d %d " % image.size + image.tobytes()).hexdigest(),
        format=header.format,
        width=header.width,
        height=header.height,
        phash=int(str(imagehash.phash(grey)), 16),
        look=grey.resize((LOOK_SIDE, LOOK_SIDE), Image.Resampling.BOX).tobytes(),
        sharpness=_sharpness(values),
        dark_end=dark_end,
        bright_end=bright_end,
        contrast=round(float(values.std()), 2),
        camera=header.camera,
        taken=header.taken if header.taken is not None else _time_in_name(file),
        thumbnail=_thumbnail(image, thumbnail),
    )


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    """Scale down until the shorter side is ``side``; never up."""
    scale = side / min(image.size)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def _sharpness(values: NDArray[np.uint8]) -> float:
    """Steepest edges (99.5th percentile of the Laplacian) relative to the contrast (range of the middle 98
    %).

    The subject of a photo is sharp and its background soft, so the steepest edges tell, not the mean; and
    relative to the contrast fog is not taken for blur. On this project's photos the median is 0.96 and 0.4 %
    lie under 0.15; after a Gaussian blur of 2, 4 and 6 pixels at 512 pixels it is 0.14, 0.05 and 0.04.
    """
    if min(values.shape) < 3:
        return 0.0
    grey = values.astype(np.int16)
    inner = grey[1:-1, 1:-1]
    laplacian = np.abs(4 * inner - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:])
    steepest = _quantile(laplacian, 0.995)
    return round(steepest / max(_quantile(grey, 0.99) - _quantile(grey, 0.01), 1), 3)


def _quantile(values: NDArray[np.int16], part: float) -> int:
    """A quantile of small non-negative integers by counting: ten times faster than by sorting."""
    counts = np.cumsum(np.bincount(values.ravel()))
    return int(np.searchsorted(counts, part * counts[-1]))


def _thumbnail(image: Image.Image, side: int) -> bytes:
    """The picture as a small JPEG; very long ones are cut to 2:1 from their middle."""
    width, height = image.size
    longest = 2 * min(width, height)
    left, top = max(0, width - longest) // 2, max(0, height - longest) // 2
    if left or top:
        image = image.crop((left, top, width - left, height - top))
    out = io.BytesIO()
    _shrunk(image, side).save(out, "JPEG", quality=60)
    return out.getvalue()


@dataclass(frozen=True)
class _Header:
    format: str
    width: int
    height: int
    camera: str
    taken: float | None


def _header(data: bytes) -> _Header:
    """Read size and EXIF of a picture that is known to decode; a broken EXIF counts as none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about broken EXIF, or many pixels: nothing that is not known already
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            camera, taken = _exif(image)
            return _Header(image.format or "", image.width, image.height, camera, taken)


def _exif(image: Image.Image) -> tuple[str, float | None]:
    try:
        exif = image.getexif()
        camera = " ".join(str(exif[tag]).strip("\0 ") for tag in (_EXIF_MAKE, _EXIF_MODEL) if tag in exif)
        text = exif.get_ifd(_EXIF_DETAILS).get(_EXIF_ORIGINAL_TIME) or exif.get(_EXIF_TIME)
    except Exception:  # noqa: BLE001  (Pillow's EXIF parser raises almost anything on bytes that somebody bent)
        return "", None
    match = re.match(r"(\d{4}):(\d\d):(\d\d) (\d\d):(\d\d):(\d\d)", str(text))
    return camera, _seconds(match.groups()) if match else None


def _time_in_name(file: str) -> float | None:
    match = _NAMED_TIME.search(file.rsplit("/", 1)[-1])
    return _seconds(match.groups()) if match else None


def _seconds(parts: Sequence[str]) -> float | None:
    """Seconds between 1970 and a date and time, both by the same clock: only differences mean something."""
    try:
        return (datetime(*map(int, parts)) - datetime(1970, 1, 1)).total_seconds()  # type: ignore[arg-type]
    except ValueError:
        return None
