"""What is in a recording, as ffmpeg itself tells it: ffprobe is not in the imageio-ffmpeg package."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import FfmpegError, RecordingError
from .run import last_useful
from .tool import Ffmpeg, as_input

HDR_TRANSFERS = ("smpte2084", "arib-std-b67")
ALPHA = re.compile(r"^(yuva|rgba|bgra|argb|abgr|gbrap|ya\d|pal8)")
PARTS = (b"ftyp", b"moov", b"mdat", b"moof")  # of MP4 and MOV, that a film can't do without
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
    """Look into ``path``.

    Raises:
        RecordingError: it is not there, is empty, is no film, or has no moving picture.
    """
    try:
        if not path.is_file():
            raise RecordingError(
                f"{path}: {'a folder' if path.is_dir() else 'there is no such file'}; name a recording"
            )
        if not path.stat().st_size:
            raise RecordingError(f"{path}: the file is empty; the recorder wrote nothing, so record again")
        with path.open("rb"):
            pass
    except OSError as error:
        raise RecordingError(f"{path}: can't be read ({error.strerror})") from error
    _refuse_cut_short(path)
    told = _ask(ffmpeg, ["-i", as_input(path)])
    streams = [line for line in told if re.match(r"\s*Stream #0", line)]
    if not streams:
        raise RecordingError(f"{path}: this is no film, or it is cut short; {last_useful(_before_advice(told))}")
    index = next((told.index(line) for line in streams if " Video: " in line and "attached pic" not in line), None)
    if index is None:
        raise RecordingError(
            f"{path}: there is no moving picture in it, only {_kinds(streams)}; ffmpeg says: {streams[0].strip()}"
        )
    line = told[index]
    size = re.search(r"(?<![\w.])(\d+)x(\d+)(?![\w.])", re.sub(r"\([^)]*\)|\[0x[^\]]*\]", "", line))
    if not size:
        raise RecordingError(f"{path}: the size of its picture is unknown; ffmpeg says: {line.strip()}")
    width, height, aspect = int(size[1]), int(size[2]), _aspect(line)
    # The side that is too short is enlarged: nothing of the picture is lost.
    width, height = (round(width * aspect), height) if aspect >= 1 else (width, round(height / aspect))
    if _turned(told, index):
        width, height = height, width
    layout = re.search(r" Video: [^,]*(?:\([^)]*\)[^,]*)*, (\w+)", line)
    return Recording(
        path=path,
        width=width,
        height=height,
        stretched=aspect != 1,
        seconds=_duration(told) or _counted(path, ffmpeg),
        hdr=next((name for name in HDR_TRANSFERS if name in line), ""),
        alpha=bool(layout and ALPHA.match(layout[1])),
    )


def _refuse_cut_short(path: Path) -> None:
    """MP4, MOV and AVI say how long their parts are; ffmpeg ends with status 0 and no word where one is cut."""
    size = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        if file.read(4) == b"RIFF":
            length = int.from_bytes(file.read(4), "little")
            at = 8 + length if length != UNKNOWN_LENGTH else size
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if at == 0 and kind != b"ftyp":
                return
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8 or (at + length > size and kind not in PARTS):  # 0: to the end; else what follows the film
                return
            at += length
    if at > size:
        raise RecordingError(f"{path}: it is cut short, {size} of {at} bytes are there; copy it anew")


def _ask(ffmpeg: Ffmpeg, arguments: list[str]) -> list[str]:
    try:
        done = subprocess.run(
            [ffmpeg.path, "-hide_banner", "-nostdin", *arguments],
            capture_output=True,
            check=False,
            timeout=PROBE_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FfmpegError(f"{ffmpeg.path} can't look into {arguments[-1]}: {error}") from error
    return done.stderr.decode(errors="replace").splitlines()


def _before_advice(told: list[str]) -> list[str]:
    """ffmpeg ends with what a user of its own command line should do, and with the file's name."""
    return [re.sub(r"Error opening input file .*", "", line) for line in told if "At least one output" not in line]


def _kinds(streams: list[str]) -> str:
    kinds = {match[1].lower() for line in streams if (match := re.search(r": (Audio|Subtitle|Data|Video): ", line))}
    return " and ".join(sorted("a cover" if kind == "video" else kind for kind in kinds)) or "data"


def _own(told: list[str], index: int) -> list[str]:
    """The lines that belong to the stream of line ``index``: those until the next stream."""
    rest = told[index + 1 :]
    end = next((n for n, line in enumerate(rest) if re.match(r"\s*Stream #|At least", line)), len(rest))
    return rest[:end]


def _turned(told: list[str], index: int) -> bool:
    """Whether it is shown on its side: the display matrix turns by a quarter."""
    turns = [re.search(r"rotation of (-?[\d.]+) degrees", line) for line in _own(told, index)]
    return any(turn and round(float(turn[1])) % 180 for turn in turns)


def _aspect(line: str) -> float:
    """Width of a pixel by its height; where container and codec disagree the container's, which comes last."""
    told = re.findall(r"SAR (\d+):(\d+)", line)
    wide, high = map(int, told[-1]) if told else (1, 1)
    return wide / high if wide and high else 1.0


def _duration(told: list[str]) -> float:
    """Seconds by the header, 0 where it doesn't say (OBS killed while it wrote Matroska)."""
    for line in told:
        if found := re.search(r"Duration: (\d+):(\d+):([\d.]+)", line):
            return 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3])
    return 0.0


def _counted(path: Path, ffmpeg: Ffmpeg) -> float:
    """Seconds by going through the file without decoding it."""
    told = "\n".join(_ask(ffmpeg, ["-i", as_input(path), "-map", "0:V:0", "-c", "copy", "-f", "null", "-"]))
    times = re.findall(r"time=(\d+):(\d+):([\d.]+)", told)
    return 3600 * int(times[-1][0]) + 60 * int(times[-1][1]) + float(times[-1][2]) if times else 0.0
