"""Which ffmpeg is used: the machine's if it can do what is needed, else the one in the imageio-ffmpeg package."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scripts.gif.errors import FfmpegError

FILTERS = (
    "crop",
    "drawbox",
    "format",
    "fps",
    "hqdn3d",
    "overlay",
    "palettegen",
    "paletteuse",
    "scale",
    "select",
    "setpts",
    "split",
    "ssim",
    "tpad",
)
ENCODERS = ("ffv1", "gif", "png")
ENCODER_OF = {"mp4": "libx264", "webp": "libwebp_anim", "poster": "png"}
ADVICE = (
    "install one (`apt-get install ffmpeg`), or the package that carries one (`pip install imageio-ffmpeg`)"
)


@dataclass(frozen=True)
class Ffmpeg:
    """An ffmpeg that can do what was asked for, and where it is from."""

    path: str
    version: str
    origin: str
    filters: frozenset[str]

    def __str__(self) -> str:
        return f"ffmpeg {self.version} ({self.origin}: {self.path})"


def find(siblings: Iterable[str] = ()) -> Ffmpeg:
    """The ffmpeg on the machine, or that of imageio-ffmpeg, with the filters and encoders needed for ``siblings``.

    Raises:
        FfmpegError: there is none, or each lacks something, which is named.
    """
    encoders = [*ENCODERS, *(ENCODER_OF[kind] for kind in siblings)]
    refused = []
    for origin, path in _candidates():
        try:
            version, filters = _text(path, "-version"), _names(path, "-filters")
            lacking = [f"the filter {name}" for name in FILTERS if name not in filters]
            known = _names(path, "-encoders")
            lacking += [f"the encoder {name}" for name in encoders if name not in known]
        except (OSError, subprocess.SubprocessError) as error:
            refused.append(f"{path} does not run ({error})")
            continue
        if not lacking:
            word = re.search(r"version (\S+)", version)
            return Ffmpeg(path, word[1] if word else "of unknown version", origin, frozenset(filters))
        refused.append(f"{path} lacks {', '.join(lacking)}")
    if refused:
        raise FfmpegError(f"no ffmpeg that can make it: {'; '.join(refused)}; {ADVICE}")
    raise FfmpegError(f"there is no ffmpeg; {ADVICE}")


def _candidates() -> Iterable[tuple[str, str]]:
    if own := shutil.which("ffmpeg"):
        yield "this machine's", own
    try:
        # Here, as looking for its binary takes longer than all else, and a machine may have its own.
        import imageio_ffmpeg

        packed = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # the package is not there, or was installed without its binary
        return
    if not own or os.path.realpath(packed) != os.path.realpath(own):
        yield "of imageio-ffmpeg", packed


def _text(path: str, *question: str) -> str:
    done = subprocess.run(
        [path, "-hide_banner", *question],
        capture_output=True,
        check=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout.decode(errors="replace")


def _names(path: str, question: str) -> set[str]:
    """Second words of the lines that follow a heading: flags, then a name."""
    return {words[1] for line in _text(path, question).splitlines() if len(words := line.split()) > 1}


def gifsicle() -> str | None:
    """gifsicle, where the machine has it: it makes GIFs smaller at a loss of its own kind."""
    return shutil.which("gifsicle")


def as_input(path: Path) -> str:
    """``path`` so that no part of it is taken for an option, a protocol or a pattern."""
    return f"file:{path}"
