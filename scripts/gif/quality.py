"""How near a GIF is to the frames that it was made of, by ffmpeg's filters ssim, psnr and libvmaf."""

import math
import operator
import re
from pathlib import Path
from typing import Any, Literal

import ffmpeg

from . import run
from .errors import GifError
from .passes import Job, reread
from .settings import GifSettings
from .tool import as_input

Figure = Literal["ssim", "vmaf"]

# What a halving of the frame rate costs: SSIM sees frames, not motion. Chosen, not measured: a person has to say it.
HALF_RATE = 0.01
SCALES = (2, 4)  # parts of the size: dither is there what the eye makes of it, a mixed colour
PLANES = (0.8, 0.1, 0.1)  # of the SSIM: brightness, two colour differences


def looks(job: Job, gif: Path, settings: GifSettings, kept: Path, size: tuple[int, int], of: GifSettings) -> float:
    """At most 1: SSIM against the frames ``kept`` for ``of``, the mean of a half and a quarter of their ``size``.

    Frames that were left out cost `HALF_RATE`. docs/bench-gif.md has how it ranks GIFs beside VMAF.
    """
    reference = reread(kept, of, settings.model_copy(update={"width": of.width}))
    shown, wanted = (stream.filter_multi_output("split") for stream in _alike(gif, reference, settings.fps, size))
    outputs = []
    for number, scale in enumerate(SCALES):
        small = (size[0] // scale, size[1] // scale)
        pair = [
            each[number].filter("scale", *small, flags="area").filter("format", "yuv444p") for each in (shown, wanted)
        ]
        outputs.append(ffmpeg.filter(pair, "ssim", shortest=1).output("-", f="null"))
    values = _figures(job, gif, ffmpeg.merge_outputs(*outputs), r"SSIM Y:([\d.]+) .*U:([\d.]+) .*V:([\d.]+) ")
    found = sum(sum(map(operator.mul, PLANES, planes)) for planes in values) / len(SCALES)
    return found - HALF_RATE * math.log2(of.fps / settings.fps)


def compare(job: Job, gif: Path, reference: Any, figure: Figure, fps: float, size: tuple[int, int]) -> float:
    """SSIM of RGB (0..1), or VMAF (0..100), against ``reference``, which has the rate and the size.

    Raises:
        GifError: ffmpeg can't compare them.
    """
    pair = _alike(gif, reference, fps, size)
    if figure == "ssim":
        output = ffmpeg.filter(pair, "ssim", shortest=1).output("-", f="null")
        return _figures(job, gif, output, r"SSIM .*All:([\d.]+)")[-1][0]
    output = ffmpeg.filter([stream.filter("format", "yuv444p") for stream in pair], "libvmaf", shortest=1)
    return _figures(job, gif, output.output("-", f="null"), r"VMAF score: ([\d.]+)")[-1][0]


def _alike(gif: Path, reference: Any, fps: float, size: tuple[int, int]) -> list[Any]:
    """Both as planar RGB of one rate and size."""
    film = ffmpeg.input(as_input(gif))
    # An AVIF has two tracks, of which the first is its first frame alone.
    shown = (film["1"] if gif.suffix == ".avif" else film).filter("fps", f"{fps:g}").filter("format", "rgb24")
    return [stream.filter("scale", *size, flags="bicubic").filter("format", "gbrp") for stream in (shown, reference)]


def _figures(job: Job, gif: Path, output: Any, pattern: str) -> list[list[float]]:
    done = job.run(output, "comparing", loglevel="info")
    found = [list(map(float, match.groups())) for line in done.lines if (match := re.search(pattern, line))]
    if not found:
        raise GifError(f"{gif}: ffmpeg could not compare it; {run.last_useful(done.lines)}")
    return found
