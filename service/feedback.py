"""Pictures that people call wrong, kept in a folder for who trains the model; nothing of it is served.

For each a JPEG of the pixels alone and, written last, a JSON file beside it: whoever collects them takes the pairs.
"""

import errno
import io
import json
import os
import secrets
import time
from collections import Counter, deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from bundle import decode
from service.inference.identify import BYTES_PER_PIXEL, pixel_limit
from service.problems import FULL, TOO_MANY, Problem
from service.settings import Settings, SettingsError

SIDE: Final = 1_280  # pixels; larger pictures are scaled down
QUALITY: Final = 95
MINUTE_S: Final = 60.0


class Feedback:
    """The folder, with limits on rate and bytes, of all and of one client address."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Use a folder.

        Raises:
            SettingsError: it can't be written.
        """
        self._folder = folder
        self._settings = settings
        self._recent: deque[tuple[float, str]] = deque()  # when and who, of the last minute
        self._bytes: Counter[str] = Counter()  # that each address has left here since the start
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"FEEDBACK: {folder} can't be made ({error.strerror}); mount a volume there") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise SettingsError(f"FEEDBACK: {folder} can't be written by user id {os.getuid()}; make it that user's")

    def count(self, client: str) -> None:
        """Count an attempt of ``client``; in the event loop's thread, as all of the counting.

        Raises:
            Problem: it is one too many, of this client or of all.
        """
        now, settings = time.monotonic(), self._settings
        while self._recent and now - self._recent[0][0] > MINUTE_S:
            self._recent.popleft()
        own, most = sum(who == client for _, who in self._recent), settings.feedback_rate
        if len(self._recent) >= most or own >= max(1, int(settings.address_share * most)):
            why = "too many pictures were sent in within a minute; try again in a minute"
            raise Problem(TOO_MANY, why, {"Retry-After": str(int(MINUTE_S))})
        if self._bytes[client] >= settings.address_share * settings.feedback_bytes:
            raise Problem(TOO_MANY, "your address has sent in as much as one may; thank you, that is enough")
        self._recent.append((now, client))

    def add(self, client: str, size: int) -> None:
        """Count the bytes that `keep` has written for ``client``."""
        self._bytes[client] += size

    def keep(self, data: bytes, about: dict[str, Any]) -> int:
        """Write a picture file anew, and what is known about it; in a thread of the queue. Returns the bytes written.

        Raises:
            PictureError: it can't be decoded.
            Problem: there is no room.
        """
        if _bytes_in(self._folder) >= self._settings.feedback_bytes:
            raise Problem(FULL, "the folder for such pictures is full; the operator has to empty it")
        memory = self._settings.decode_bytes
        most = min(pixel_limit(data, memory), int(memory / BYTES_PER_PIXEL["other"]))  # as it may not be reduced
        pixels = np.asarray(decode.open_rgb(data, min_side=SIDE, max_pixels=most))
        image, encoded, now = Image.fromarray(pixels), io.BytesIO(), datetime.now(UTC)  # without comments, profiles, …
        image.thumbnail((SIDE, SIDE))
        image.save(encoded, "JPEG", quality=QUALITY)
        picture = self._folder / f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}.jpg"
        told = json.dumps({"at": now.isoformat(timespec="milliseconds")} | about, ensure_ascii=False).encode()
        try:
            _write(picture, encoded.getvalue())
            _write(picture.with_suffix(".json"), told)
        except OSError as error:
            picture.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Problem(FULL, "the disk for such pictures is full; the operator has to make room") from error
            raise
        return len(told) + encoded.tell()


def _bytes_in(folder: Path) -> int:
    count = 0
    for each in folder.iterdir():
        with suppress(FileNotFoundError):  # somebody collects them at the moment
            count += each.stat().st_size
    return count


def _write(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all."""
    coming = path.with_name(f".{path.name}.coming")
    try:
        with coming.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        coming.replace(path)
    finally:
        coming.unlink(missing_ok=True)
