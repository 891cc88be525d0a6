"""How near a GIF is to the frames that it was made of: SSIM and PSNR, as ffmpeg's filters measure them."""

import math
import operator
import re
from pathlib import Path
from typing import Any, Literal

import ffmpeg

from . import graph, run
from .errors import FfmpegError
from .passes import Job
from .settings import GifSettings
from .tool import as_input

Figure = Literal["ssim", "psnr", "vmaf"]

# What a halving of the frame rate costs: SSIM sees frames, not motion. Chosen, not measured: a person has to say it.
HALF_RATE = 0.01
SCALES = (2, 4)  # parts of the size: dither is there what the eye makes of it, a mixed colour
PLANES = (0.8, 0.1, 0.1)  # of the SSIM: brightness, two colour differences

FILTER: dict[Figure, tuple[str, str]] = {  # and what it prints
    "ssim": ("ssim", r"SSIM .*All:([\d.]+)"),
    "psnr": ("psnr", r"PSNR .*average:([\d.]+|inf)"),
    "vmaf": ("libvmaf", r"VMAF score: ([\d.]+)"),
}


def looks(job: Job, gif: Path, settings: GifSettings, kept: Path, size: tuple[int, int], of: GifSettings) -> float:
    """At most 1: SSIM against the frames ``kept`` for ``of``, the mean of a half and a quarter of their ``size``.

    Frames that were left out cost `HALF_RATE`. docs/bench-gif.md has how it ranks GIFs beside VMAF and FLIP.
    """
    reference = graph.frames(kept, settings.model_copy(update={"width": of.width}), of)
    shown, wanted = (stream.filter_multi_output("split") for stream in _alike(gif, reference, settings.fps, size))
    small = [
        [
            both[number].filter("scale", size[0] // scale, size[1] // scale, flags="area").filter("format", "yuv444p")
            for both in (shown, wanted)
        ]
        for number, scale in enumerate(SCALES)
    ]
    output = ffmpeg.merge_outputs(*(ffmpeg.filter(pair, "ssim", shortest=1).output("-", f="null") for pair in small))
    values = _figures(job, gif, output, "ssim", r"SSIM Y:([\d.]+) .*U:([\d.]+) .*V:([\d.]+) ")
    found = sum(sum(map(operator.mul, PLANES, planes)) for planes in values) / len(SCALES)
    return found - HALF_RATE * math.log2(of.fps / settings.fps)


def compare(job: Job, gif: Path, reference: Any, figure: Figure, fps: float, size: tuple[int, int]) -> float:
    """SSIM (0..1) or PSNR (dB) of RGB, or VMAF (0..100), against ``reference``, which has the rate and the size.

    Raises:
        FfmpegError: ffmpeg can't compare them.
    """
    pair = _alike(gif, reference, fps, size)
    name, pattern = FILTER[figure]
    if figure == "vmaf":
        pair = [stream.filter("format", "yuv444p") for stream in pair]
    output = ffmpeg.filter(pair, name, shortest=1).output("-", f="null")
    return _figures(job, gif, output, figure, pattern)[-1][0]


def _alike(gif: Path, reference: Any, fps: float, size: tuple[int, int]) -> list[Any]:
    """Both as planar RGB of one rate and size."""
    film = ffmpeg.input(as_input(gif))
    # An AVIF has two tracks, of which the first is its first frame alone.
    shown = (film["1"] if gif.suffix == ".avif" else film).filter("fps", f"{fps:g}").filter("format", "rgb24")
    return [stream.filter("scale", *size, flags="bicubic").filter("format", "gbrp") for stream in (shown, reference)]


def _figures(job: Job, gif: Path, output: Any, figure: str, pattern: str) -> list[list[float]]:
    done = run.ffmpeg(graph.command(output, job.ffmpeg.path, loglevel="info"), gif)
    found = [list(map(float, match.groups())) for line in done.lines if (match := re.search(pattern, line))]
    if not found:
        raise FfmpegError(f"{gif}: ffmpeg gave no {figure.upper()}; {run.last_useful(done.lines)}")
    return found
