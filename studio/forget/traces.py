"""Traces: what one file holds of a photo, and the file without it."""

import base64
import binascii
import hashlib
import io
import json
import re
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.core import files
from pipeline.evaluate.plots import CAPTION, COLUMNS, GAP
from studio.forget.marks import MEASURES, Wanted

# Kinds of traces. Of the first four the file goes; of the others it stays, without the photo.
COPY = "the photo"
NAMED = "made of the photo"  # a thumbnail or a note, by its name
PAGE = "a page that shows it"
SHEET = "a sheet that shows it"
ROWS = "its features"
MEASURED = "its measures"
MEMBER = "a member of an archive"

KEYS = ("sha256", "files")  # arrays that name the photo of each row of a table of features
HEAD = 512  # bytes by which the kind of a file is told
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{160,}={0,2}")
_ARCHIVES = (".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2")


def find(path: Path, wanted: Wanted) -> str:
    """The kind of the trace in a file, "" where there is none.

    Raises:
        OSError: it can't be read.
    """
    if path.stat().st_size in wanted.sizes and _sha256(path.read_bytes()) in wanted.sha256:
        return COPY
    with path.open("rb") as file:
        head = file.read(HEAD)
    try:
        if head.startswith(b"PK\x03\x04"):
            return _in_zip(path, wanted)
        if head[257:262] == b"ustar" or path.name.endswith(_ARCHIVES):
            with tarfile.open(path) as tar:
                return MEMBER if any(_is_wanted(name, data, wanted) for name, data in _members(tar)) else ""
        if side := _side(head):
            return SHEET if not wanted.frames.isdisjoint((side, tile) for tile in _tiles(path, side)) else ""
    except (zipfile.BadZipFile, tarfile.TarError, ValueError, EOFError):  # damaged: nothing can be read out of it
        return ""
    return "" if b"\0" in head else _in_text(path, wanted)


def erase(path: Path, kind: str, wanted: Wanted) -> None:
    """Take the trace out of a file, or the file away; doing it twice is the same as once.

    Raises:
        OSError, StorageError: it can't be.
    """
    if kind == ROWS:
        with np.load(path) as kept:
            arrays = {name: kept[name] for name in kept.files}
        stays = _stays(arrays, wanted)
        files.write_npz(path, {k: v[stays] if v.shape[:1] == stays.shape else v for k, v in arrays.items()})
    elif kind == MEASURED:
        kept_measures = json.loads(path.read_bytes())
        files.write_text(path, json.dumps({k: v for k, v in kept_measures.items() if k not in wanted.sha256}))
    elif kind == MEMBER:
        files.write_bytes(path, _without(path, wanted))
    else:
        path.unlink(missing_ok=True)


def sheet_side(path: Path) -> int:
    """Pixels a side of the frames in a sheet of mistakes; 0 for any other file."""
    with path.open("rb") as file:
        return _side(file.read(HEAD))


def _side(head: bytes) -> int:
    """As `pipeline.evaluate.plots` lays a sheet out; by its head of a PNG."""
    if not head.startswith(b"\x89PNG\r\n\x1a\n") or len(head) < 24:
        return 0
    width, height = struct.unpack(">II", head[16:24])
    side, rest = divmod(width - GAP - COLUMNS * GAP, 2 * COLUMNS)
    return side if not rest and side > 0 and (height - GAP) % (side + CAPTION + GAP) == 0 else 0


def _tiles(path: Path, side: int) -> Iterator[str]:
    """Sha256 of each frame of a sheet."""
    with Image.open(path) as image:
        sheet = np.asarray(image.convert("RGB"))
    for top in range(GAP, sheet.shape[0] - side, side + CAPTION + GAP):
        for left in range(GAP, sheet.shape[1] - side, 2 * side + GAP):
            yield _sha256(sheet[top : top + side, left : left + side].tobytes())


def _in_text(path: Path, wanted: Wanted) -> str:
    text = path.read_bytes()
    if fnmatch(path.name, MEASURES) and any(sha.encode() in text for sha in wanted.sha256):
        return MEASURED
    for found in _BASE64.findall(text):
        try:
            if _sha256(base64.b64decode(found, validate=True)) in wanted.pictures:
                return PAGE
        except binascii.Error:
            continue
    return ""


def _in_zip(path: Path, wanted: Wanted) -> str:
    with zipfile.ZipFile(path) as archive:
        for item in archive.infolist():
            name = Path(item.filename)
            if name.stem in wanted.sha256:
                return MEMBER
            if item.file_size in wanted.sizes and _sha256(archive.read(item)) in wanted.sha256:
                return MEMBER
            if name.suffix == ".npy" and name.stem in KEYS:
                names = {name.stem: np.load(io.BytesIO(archive.read(item)), allow_pickle=False)}
                if not _stays(names, wanted).all():
                    return ROWS
    return ""


def _stays(arrays: dict[str, Any], wanted: Wanted) -> Any:
    """Which rows of a table are of other photos, bool [rows]."""
    found = {"sha256": wanted.sha256, "files": wanted.files}
    masks = [~np.isin(arrays[key], list(found[key])) for key in KEYS if key in arrays]
    return np.logical_and.reduce(masks)


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in tar:
        file = tar.extractfile(member) if member.isfile() else None
        yield member.name, file.read() if file else b""


def _is_wanted(name: str, data: bytes, wanted: Wanted) -> bool:
    return Path(name).stem in wanted.sha256 or (len(data) in wanted.sizes and _sha256(data) in wanted.sha256)


def _without(path: Path, wanted: Wanted) -> bytes:
    """An archive without the members that are wanted."""
    made = io.BytesIO()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w") as new:
            for item in old.infolist():
                data = old.read(item)
                if not _is_wanted(item.filename, data, wanted):
                    new.writestr(item, data)
        return made.getvalue()
    packing = {b"\x1f\x8b": "w:gz", b"BZ": "w:bz2", b"\xfd7": "w:xz"}
    with path.open("rb") as file:
        mode = packing.get(file.read(2), "w:")
    with tarfile.open(path) as tar, tarfile.open(fileobj=made, mode=mode) as kept:  # type: ignore[call-overload]
        for member in tar:
            source = tar.extractfile(member) if member.isfile() else None
            content = source.read() if source else b""
            if not _is_wanted(member.name, content, wanted):
                kept.addfile(member, io.BytesIO(content) if source else None)
    return made.getvalue()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
