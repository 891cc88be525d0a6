"""Whether "looks", by which --max-bytes ranks GIFs, ranks them as a published metric does that people have checked.

Of each clip, GIFs that differ in colours, dither, width and gifsicle's losses are ranked by looks, SSIM and VMAF. A
table has Spearman's correlation of the ranks. VMAF is a part of ffmpeg and sees brightness alone.
"""

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import ffmpeg as graphs
import numpy as np
from scipy.stats import spearmanr

from scripts.bench.gif.contenders import FPS, frames, preset
from scripts.gif import passes, quality, tool
from scripts.gif.budget import Search, Way
from scripts.gif.tool import Ffmpeg, as_input

SPAN = ("start=1.5", "end=3")  # seconds of a clip
WAYS = 12  # of a clip
METRICS = ("looks", "SSIM", "VMAF")
PAIRS = (("looks", "VMAF"), ("SSIM", "VMAF"))


def ways(start: Way) -> list[Way]:
    """The same `WAYS` ways each time, all at the frame rate of ``start``."""
    assert start.width
    losses = (0, 40) if tool.gifsicle() else (0,)
    dithers = (("none", 2), ("bayer", 5), ("sierra2_4a", 2))
    widths = [round(part * start.width) for part in (1, 0.7, 0.4)]
    keys = ("colours", "dither", "bayer_scale", "width", "lossy")
    made = list(itertools.product((256, 64, 36, 16), dithers, widths, losses))
    chosen = random.Random(1).sample(made, WAYS)
    return [
        start.model_copy(update=dict(zip(keys, (colours, *dither, width, lossy), strict=True)))
        for colours, dither, width, lossy in chosen
    ]


def measure(film: Path, ffmpeg: Ffmpeg) -> dict[str, list[float]]:
    """Each metric of `METRICS` for each way to make a GIF of ``film``; more is better in all."""
    settings = preset("screen", *SPAN)
    with frames(film, settings, ffmpeg) as (job, kept):
        whole = passes.from_frames(job, kept, settings, settings, job.scratch / "whole.gif")
        size = (whole.width, whole.height)
        search = Search(job, kept, settings, 1, whole)
        start = Way.model_validate(settings.model_dump() | {"width": whole.width})
        found: dict[str, list[float]] = {metric: [] for metric in METRICS}
        for way in ways(start):
            made = search.make(way).path
            found["looks"].append(quality.looks(job, made, way, kept, size, start))
            for figure in ("ssim", "vmaf"):
                value = quality.compare(job, made, graphs.input(as_input(kept)), figure, FPS, size)
                found[figure.upper()].append(value)
    return found


def correlations(found: dict[str, dict[str, list[float]]]) -> Iterator[tuple[str, ...]]:
    """A line for each clip and one for their mean."""
    ranks = {
        clip: [float(spearmanr(values[one], values[other]).statistic) for one, other in PAIRS]
        for clip, values in found.items()
    }
    for clip, its in ranks.items():
        yield clip, *(f"{value:.2f}" for value in its)
    yield "mean", *(f"{value:.2f}" for value in np.mean(list(ranks.values()), axis=0))
