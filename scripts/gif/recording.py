"""What is in a recording, as ffmpeg itself tells it: ffprobe is not in the imageio-ffmpeg package."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import GifError
from .run import last_useful
from .tool import Ffmpeg, as_input

HDR_TRANSFERS = ("smpte2084", "arib-std-b67")
ALPHA = re.compile(r"yuva|rgba|bgra|argb|abgr|gbrap|ya\d|pal8")
UNKNOWN_LENGTH = 0xFFFFFFFF  # in RIFF: it was written to where nobody could go back
PROBE_TIMEOUT_S = 120


@dataclass(frozen=True)
class Recording:
    """A film: its picture as it is shown, that is after a phone's rotation flag and in square pixels.

    stretched: its own pixels are no squares; seconds: as the file says, or counted; hdr: the curve of its light, "" for
    the usual range; alpha: parts of it may be transparent.
    """

    path: Path
    width: int
    height: int
    stretched: bool
    seconds: float
    hdr: str
    alpha: bool


def read(path: Path, ffmpeg: Ffmpeg) -> Recording:
    """Look into ``path``, and at its first frame.

    Raises:
        GifError: it is not there, is empty, is no film, or has no moving picture.
    """
    _refuse_what_is_no_file(path)
    told = _ask(ffmpeg, path, "-map", "0:V:0", "-vf", "showinfo", "-frames:v", "1")
    head = told.partition("\nStream mapping:")[0].splitlines()
    streams = [line for line in head if re.match(r"\s*Stream #0", line)]
    if not streams:
        # ffmpeg's last words repeat the file's name.
        said = last_useful([re.sub(r"Error opening input file .*", "", line) for line in head])
        raise GifError(f"{path}: this is no film, or it is cut short; {said}")
    if all(" Video: " not in line or "attached pic" in line for line in streams):
        said = "; ".join(map(str.strip, streams))
        raise GifError(f"{path}: there is no moving picture in it; ffmpeg says: {said}")
    frame = re.search(r" fmt:(\w+).* sar:(\d+)/(\d+) s:(\d+)x(\d+) ", told)
    if not frame:
        raise GifError(f"{path}: there is no frame in it, or it is cut short; {last_useful(told.splitlines())}")
    wide, high, width, height = map(int, frame.groups()[1:])
    aspect = wide / high if wide and high else 1.0  # of a pixel
    # The side that is too short is enlarged: nothing of the picture is lost.
    width, height = (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))
    curve = re.search(r" color_trc:(\S+)", told)
    duration = _seconds(r"Duration: (\d+):(\d+):([\d.]+)", "\n".join(head))
    return Recording(
        path=path,
        width=width,
        height=height,
        stretched=aspect != 1,
        # A recorder that is killed leaves a Matroska that doesn't say: then it is gone through without decoding it.
        seconds=duration or _seconds(r"time=(\d+):(\d+):([\d.]+)", _ask(ffmpeg, path, "-map", "0:V:0", "-c", "copy")),
        hdr=curve[1] if curve and curve[1] in HDR_TRANSFERS else "",
        alpha=bool(ALPHA.match(frame[1])),
    )


def _refuse_what_is_no_file(path: Path) -> None:
    try:
        if not path.is_file():
            raise GifError(f"{path}: {'a folder' if path.is_dir() else 'there is no such file'}; name a recording")
        size = path.stat().st_size
        if not size:
            raise GifError(f"{path}: the file is empty; the recorder wrote nothing, so record again")
        with path.open("rb") as file:
            kind, length = file.read(4), 8 + int.from_bytes(file.read(4), "little")
    except OSError as error:
        raise GifError(f"{path}: can't be read ({error.strerror})") from error
    # Of an AVI that is cut short ffmpeg plays what is there, and says nothing.
    if kind == b"RIFF" and size < length < UNKNOWN_LENGTH:
        raise GifError(f"{path}: it is cut short, {size} of {length} bytes are there; copy it anew")


def _ask(ffmpeg: Ffmpeg, path: Path, *how: str) -> str:
    command = [ffmpeg.path, "-hide_banner", "-nostdin", "-i", as_input(path), *how, "-f", "null", "-"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=PROBE_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GifError(f"{ffmpeg.path} can't look into {path}: {error}") from error
    return done.stderr.decode(errors="replace")


def _seconds(pattern: str, told: str) -> float:
    """The last time that matches, 0 where there is none."""
    times = re.findall(pattern, told)
    return 3600 * int(times[-1][0]) + 60 * int(times[-1][1]) + float(times[-1][2]) if times else 0.0
