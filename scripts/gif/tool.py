"""Which ffmpeg is used: that of the imageio-ffmpeg package, else the machine's, if it can do what is needed.

The package's own comes first, as it is the one of which the figures in docs/ are, and gives everyone the same bytes.
Its variable IMAGEIO_FFMPEG_EXE names another.
"""

import functools
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import GifError

FILTERS = (
    "crop", "format", "fps", "hqdn3d", "lutrgb", "overlay", "palettegen", "paletteuse", "scale", "select", "setpts",
    "setsar", "showinfo", "split", "ssim", "tpad",
)  # fmt: skip
ENCODERS = ("ffv1", "gif", "png")
ENCODER_OF = {"mp4": "libx264", "avif": "libsvtav1"}
TONEMAP_FILTERS = {"zscale", "tonemap"}  # for light of high dynamic range
TESTED = ("5.1", "9.0")  # versions that tests/gif runs with
ADVICE = (
    "install the package that carries one (`pip install imageio-ffmpeg`), or the system's (`apt-get install ffmpeg`)"
)


@dataclass(frozen=True)
class Ffmpeg:
    """An ffmpeg that can do what was asked for, and whether it can map HDR to what a screen shows."""

    path: str
    version: str
    tonemaps: bool

    def __str__(self) -> str:
        tested = re.match(rf"n?({'|'.join(map(re.escape, TESTED))})\b", self.version)
        notes = "" if tested else f"; tested were {' and '.join(TESTED)}"
        notes += "" if self.tonemaps else "; it lacks zscale, so HDR films look dull"
        return f"ffmpeg {self.version} ({self.path}{notes})"


def find(siblings: Iterable[str] = ()) -> Ffmpeg:
    """The ffmpeg of imageio-ffmpeg, or that on the machine, with the filters and encoders needed for ``siblings``.

    Raises:
        GifError: there is none, or each lacks something, which is named.
    """
    refused = []
    for path in _candidates():
        try:
            filters, encoders = _names(path, "-filters"), _names(path, "-encoders")
            version = re.search(r"version (\S+)", _said(path, "-version"))
        except (OSError, subprocess.SubprocessError) as error:
            refused.append(f"{path} does not run ({error})")
            continue
        lacking = [f"the filter {name}" for name in FILTERS if name not in filters]
        needed = (*ENCODERS, *(ENCODER_OF[kind] for kind in siblings))
        lacking += [f"the encoder {name}" for name in needed if name not in encoders]
        if not lacking:
            return Ffmpeg(path, version[1] if version else "of unknown version", filters >= TONEMAP_FILTERS)
        refused.append(f"{path} lacks {', '.join(lacking)}")
    if refused:
        raise GifError(f"no ffmpeg that can make it: {'; '.join(refused)}; {ADVICE}")
    raise GifError(f"there is no ffmpeg; {ADVICE}")


def _candidates() -> Iterable[str]:
    try:
        # Here, as looking for its binary takes a moment.
        import imageio_ffmpeg

        yield imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # the package is not there, or was installed without its binary
        pass
    if own := shutil.which("ffmpeg"):
        yield own


@functools.cache
def _said(path: str, question: str) -> str:
    command = [path, "-hide_banner", question]
    done = subprocess.run(command, capture_output=True, check=True, timeout=30, stdin=subprocess.DEVNULL)
    return done.stdout.decode(errors="replace")


def _names(path: str, question: str) -> set[str]:
    """Second words of the lines that follow a heading: flags, then a name."""
    return {words[1] for line in _said(path, question).splitlines() if len(words := line.split()) > 1}


def gifsicle() -> str | None:
    """gifsicle, where the machine has it: it makes GIFs smaller at a loss of its own kind."""
    return shutil.which("gifsicle")


def as_input(path: Path) -> str:
    """``path`` so that no part of it is taken for an option, a protocol or a pattern."""
    return f"file:{path}"
