"""Whether "looks", by which --max-bytes ranks GIFs, ranks them as published metrics do that people have checked.

Of each clip, GIFs that differ in colours, dither, width and gifsicle's losses are ranked by looks and by SSIM, VMAF
and FLIP (https://doi.org/10.1145/3406183); a table has Spearman's correlation of the ranks. VMAF sees brightness alone,
FLIP colour and what the eye makes of a dither. flip-evaluator comes from PyPI into build/ for this alone, as it has no
wheel for every machine.
"""

import importlib
import itertools
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ffmpeg as graphs
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from pipeline.core.errors import PipelineError
from scripts.bench.gif.contenders import FPS, preset
from scripts.gif import passes, quality, recording, tool
from scripts.gif.budget import Search, Way
from scripts.gif.passes import Job
from scripts.gif.settings import Crop
from scripts.gif.tool import Ffmpeg, as_input

FLIP = "flip-evaluator==1.7"
FLIP_FOLDER = Path("build/flip")
SPAN = ("start=1.5", "end=3")  # seconds of a clip
WAYS = 12  # of a clip
FLIP_FRAMES = 2
METRICS = ("looks", "SSIM", "VMAF", "FLIP")
PAIRS = (("looks", "VMAF"), ("looks", "FLIP"), ("SSIM", "VMAF"), ("SSIM", "FLIP"), ("VMAF", "FLIP"))

Frames = NDArray[np.uint8]
Flip = Callable[[Frames, Frames], float]


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


def measure(film: Path, ffmpeg: Ffmpeg, flip: Flip) -> dict[str, list[float]]:
    """Each metric of `METRICS` for each way to make a GIF of ``film``; more is better in all."""
    settings = preset("screen", *SPAN)
    with tempfile.TemporaryDirectory(prefix="bench-looks-") as folder:
        job = Job(recording.read(film, ffmpeg), ffmpeg, Crop(), Path(folder))
        kept = passes.frames(job, settings)
        whole = passes.from_frames(job, kept, settings, settings, job.scratch / "whole.gif")
        size = (whole.width, whole.height)
        search = Search(job, kept, settings, 1, whole)
        start = Way.model_validate(settings.model_dump() | {"width": whole.width})
        reference = _frames(kept, size, ffmpeg)
        found: dict[str, list[float]] = {metric: [] for metric in METRICS}
        for way in ways(start):
            made = search.make(way).path
            found["looks"].append(quality.looks(job, made, way, kept, size, start))
            for figure in ("ssim", "vmaf"):
                value = quality.compare(job, made, graphs.input(as_input(kept)), figure, FPS, size)
                found[figure.upper()].append(value)
            found["FLIP"].append(-flip(reference, _frames(made, size, ffmpeg)))
    return found


def _frames(film: Path, size: tuple[int, int], ffmpeg: Ffmpeg) -> Frames:
    """RGB [n, height, width, 3] of a whole film at ``size``."""
    stream = graphs.input(as_input(film)).filter("fps", FPS).filter("scale", *size, flags="bicubic")
    command = stream.output("-", f="rawvideo", pix_fmt="rgb24").global_args("-v", "error").compile(cmd=ffmpeg.path)
    raw = subprocess.run(command, capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0], 3)


def find_flip() -> Flip:
    """The mean FLIP error (0..1) of a few frames, at 67 pixels a degree.

    Raises:
        PipelineError: pip has no flip-evaluator for this machine.
    """
    if not FLIP_FOLDER.is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(FLIP_FOLDER)]
        if subprocess.run([*pip, FLIP], check=False).returncode:
            raise PipelineError(f"{FLIP} can't be installed here, and the table needs it")
    sys.path.append(str(FLIP_FOLDER))
    evaluator: Any = importlib.import_module("flip_evaluator")

    def flip(reference: Frames, shown: Frames) -> float:
        chosen = np.linspace(0, min(len(reference), len(shown)) - 1, FLIP_FRAMES).round().astype(int)
        pairs = ((frames[at].astype(np.float32) / 255 for frames in (reference, shown)) for at in chosen)
        return float(np.mean([evaluator.evaluate(*pair, "LDR", applyMagma=False)[1] for pair in pairs]))

    return flip


def correlations(found: dict[str, dict[str, list[float]]]) -> Iterator[tuple[str, ...]]:
    """A line for each clip and one for their mean."""
    ranks = {
        clip: [float(spearmanr(values[one], values[other]).statistic) for one, other in PAIRS]
        for clip, values in found.items()
    }
    for clip, its in ranks.items():
        yield clip, *(f"{value:.2f}" for value in its)
    yield "mean", *(f"{value:.2f}" for value in np.mean(list(ranks.values()), axis=0))
