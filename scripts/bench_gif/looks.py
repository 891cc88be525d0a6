"""Whether "looks", by which --max-bytes ranks GIFs, ranks them as published metrics do that people have checked.

Writes the table ``looks`` of docs/bench-gif.md: of each clip, GIFs that differ in colours, dither, width and gifsicle's
losses are ranked by looks and by SSIM, VMAF and FLIP (https://doi.org/10.1145/3406183); the table has Spearman's
correlation of the ranks. VMAF sees brightness alone, FLIP colour and what the eye makes of a dither. flip-evaluator
comes from PyPI into build/ for this alone, as it has no wheel for every machine.
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

from pipeline.core.errors import PipelineError, run_stage
from scripts.bench_gif.clips import all_films
from scripts.bench_gif.contenders import FPS, preset
from scripts.bench_gif.report import table
from scripts.dev import readme
from scripts.gif import graph, passes, quality, recording, tool
from scripts.gif.budget import Search, Way
from scripts.gif.passes import Job
from scripts.gif.progress import Progress
from scripts.gif.settings import Crop, GifSettings
from scripts.gif.stage.errors import as_pipeline_errors
from scripts.gif.tool import Ffmpeg, as_input

PAGE = Path("docs/bench-gif.md")
FOLDER = Path("build/bench-gif/clips")
FLIP = "flip-evaluator==1.7"
FLIP_FOLDER = Path("build/flip")
SPAN = ("start=1.5", "end=3")  # seconds of a clip
WAYS = 12  # of a clip
FLIP_FRAMES = 2
METRICS = ("looks", "SSIM", "VMAF", "FLIP")
PAIRS = (("looks", "VMAF"), ("looks", "FLIP"), ("SSIM", "VMAF"), ("SSIM", "FLIP"), ("VMAF", "FLIP"))

Frames = NDArray[np.uint8]


def ways(start: GifSettings, width: int) -> list[Way]:
    """The same `WAYS` ways each time, all at the frame rate of ``start``, whose width is ``width``."""
    losses = (0, 40) if tool.gifsicle() else (0,)
    dithers = (("none", 2), ("bayer", 5), ("sierra2_4a", 2))
    made = itertools.product((256, 64, 36, 16), dithers, (1, 0.7, 0.4), losses)
    chosen = random.Random(1).sample(list(made), WAYS)
    return [
        Way(start, lossy).but(
            {"colours": colours, "dither": dither, "bayer_scale": scale, "width": round(part * width)}
        )
        for colours, (dither, scale), part, lossy in chosen
    ]


def measure(film: Path, ffmpeg: Ffmpeg, flip: Callable[[Frames, Frames], float]) -> dict[str, list[float]]:
    """Each metric of `METRICS` for each way to make a GIF of ``film``; more is better in all."""
    start = preset("screen", *SPAN)
    with tempfile.TemporaryDirectory(prefix="bench-looks-") as folder:
        job = Job(recording.read(film, ffmpeg), ffmpeg, Crop(), Path(folder), Progress())
        kept, _ = passes.frames(job, start)
        whole = passes.from_frames(job, kept, start, start, job.scratch / "whole.gif")
        size = (whole.width, whole.height)
        start = start.model_copy(update={"width": whole.width})
        reference = _frames(kept, size, ffmpeg)
        found: dict[str, list[float]] = {metric: [] for metric in METRICS}
        search = Search(job, kept, start, budget=1)
        for way in ways(start, whole.width):
            made = search.make(way, kept).path
            found["looks"].append(quality.looks(job, made, way.settings, kept, size, start))
            for figure in ("ssim", "vmaf"):
                value = quality.compare(job, made, graphs.input(as_input(kept)), figure, FPS, size)
                found[figure.upper()].append(value)
            found["FLIP"].append(-flip(reference, _frames(made, size, ffmpeg)))
    return found


def _frames(film: Path, size: tuple[int, int], ffmpeg: Ffmpeg) -> Frames:
    """RGB [n, height, width, 3] of a whole film at ``size``."""
    stream = graphs.input(as_input(film)).filter("fps", FPS).filter("scale", *size, flags="bicubic")
    command = graph.command(stream.output("-", f="rawvideo", pix_fmt="rgb24"), ffmpeg.path, loglevel="error")
    command[command.index("pipe:1")] = "/dev/null"
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, size[1], size[0], 3)


def find_flip() -> Callable[[Frames, Frames], float]:
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


def rows(found: dict[str, dict[str, list[float]]]) -> Iterator[tuple[str, ...]]:
    """A line for each clip and one for their mean."""
    ranks = {
        clip: [float(spearmanr(values[one], values[other]).statistic) for one, other in PAIRS]
        for clip, values in found.items()
    }
    for clip, its in ranks.items():
        yield clip, *(f"{value:.2f}" for value in its)
    yield "mean", *(f"{value:.2f}" for value in np.mean(list(ranks.values()), axis=0))


def main() -> None:
    """Measure, print and write the table."""
    with as_pipeline_errors():
        ffmpeg, flip = tool.find(), find_flip()
        found = {}
        for film in all_films(FOLDER, ffmpeg.path):
            print(f"== {film.stem}", flush=True)
            found[film.stem] = measure(film, ffmpeg, flip)
    head = ("", *(f"{one} and {other}" for one, other in PAIRS))
    text = f"`python -m scripts.bench_gif.looks`, ffmpeg {ffmpeg.version}, {FLIP}, {WAYS} GIFs of each clip.\n\n"
    text += table(head, list(rows(found)), numbers=len(PAIRS))
    print(text)
    readme.write("looks", text, PAGE)


if __name__ == "__main__":
    sys.exit(run_stage(main, description=__doc__))
