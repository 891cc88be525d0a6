"""How near a GIF is to the frames that it was made of: SSIM and PSNR, as ffmpeg's filters measure them."""

import math
import re
from pathlib import Path
from typing import Any, Literal

import ffmpeg

from . import graph, run
from .errors import FfmpegError
from .passes import Job
from .settings import GifSettings
from .tool import as_input

Figure = Literal["ssim", "psnr"]

# What a halving of the frame rate costs: SSIM sees frames, not motion. Chosen, not measured: a person has to say it.
HALF_RATE = 0.01

PATTERN: dict[Figure, str] = {"ssim": r"SSIM .*All:([\d.]+)", "psnr": r"PSNR .*average:([\d.]+|inf)"}


def looks(
    job: Job, gif: Path, settings: GifSettings, kept: Path, size: tuple[int, int], of: GifSettings
) -> float:
    """At most 1: SSIM against the frames ``kept`` for ``of``, the mean of their own ``size`` and of half of it.

    At half the size dither is what the eye makes of it, a mixed colour. Frames that were left out cost `HALF_RATE`.
    """
    reference = graph.frames(kept, settings.model_copy(update={"width": of.width}), of)
    shown, wanted = (
        stream.filter_multi_output("split") for stream in _alike(gif, reference, settings.fps, size)
    )
    half = [
        stream.filter("scale", size[0] // 2, size[1] // 2, flags="area") for stream in (shown[1], wanted[1])
    ]
    output = ffmpeg.merge_outputs(
        ffmpeg.filter([shown[0], wanted[0]], "ssim", shortest=1).output("-", f="null"),
        ffmpeg.filter(half, "ssim", shortest=1).output("-", f="null"),
    )
    both = _figures(job, gif, output, "ssim")
    return sum(both) / len(both) - HALF_RATE * math.log2(of.fps / settings.fps)


def compare(job: Job, gif: Path, reference: Any, figure: Figure, fps: float, size: tuple[int, int]) -> float:
    """SSIM (0..1) or PSNR (dB) of RGB against the stream ``reference``, which has the rate ``fps`` and the ``size``.

    Raises:
        FfmpegError: ffmpeg can't compare them.
    """
    pair = _alike(gif, reference, fps, size)
    return _figures(job, gif, ffmpeg.filter(pair, figure, shortest=1).output("-", f="null"), figure)[-1]


def _alike(gif: Path, reference: Any, fps: float, size: tuple[int, int]) -> list[Any]:
    """Both as planar RGB of one rate and size."""
    shown = ffmpeg.input(as_input(gif)).filter("fps", f"{fps:g}").filter("format", "rgb24")
    return [
        stream.filter("scale", *size, flags="bicubic").filter("format", "gbrp")
        for stream in (shown, reference)
    ]


def _figures(job: Job, gif: Path, output: Any, figure: Figure) -> list[float]:
    done = run.ffmpeg(graph.command(output, job.ffmpeg.path, loglevel="info"), gif)
    found = [float(match[1]) for line in done.lines if (match := re.search(PATTERN[figure], line))]
    if not found:
        raise FfmpegError(f"{gif}: ffmpeg gave no {figure.upper()}; {run.last_useful(done.lines)}")
    return found
