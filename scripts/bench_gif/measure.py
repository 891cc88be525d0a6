"""Bytes, seconds, SSIM and PSNR of every contender's GIF of every clip."""

import csv
import io
import statistics
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import ffmpeg as graphs

from scripts.bench_gif.contenders import (
    FPS,
    Contender,
    bare,
    command_line,
    film_path,
    preset,
    seconds,
    void,
)
from scripts.gif import passes, quality, recording
from scripts.gif.convert import Result, convert
from scripts.gif.passes import Job
from scripts.gif.progress import Progress
from scripts.gif.settings import Crop
from scripts.gif.tool import Ffmpeg, as_input

REPEATS = 3


@dataclass(frozen=True)
class Row:
    """A GIF: ssim and psnr (dB) against the clip's frames at 20 a second and 337 pixels; ssim_half at half of that."""

    clip: str
    contender: str
    bytes: int
    seconds: float
    ssim: float
    ssim_half: float
    psnr: float


@dataclass(frozen=True)
class Times:
    """Medians of seconds for 15 s of a phone's screen: the bare command, `blog` in here, `blog` as a command."""

    bare: float
    within: float
    command: float


@dataclass(frozen=True)
class Budget:
    """A film that had to fit into ``allowed`` bytes."""

    clip: str
    allowed: int
    result: Result


def clip(path: Path, contenders: Iterable[Contender], ffmpeg: Ffmpeg, gifs: Path) -> list[Row]:
    """Each contender's GIF of the clip ``path``, kept in ``gifs``."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="bench-gif-") as folder:
        job = Job(recording.read(path, ffmpeg), ffmpeg, Crop(), Path(folder), Progress())
        settings = preset("blog")
        kept, _ = passes.frames(job, settings)
        for contender in contenders:
            gif = film_path(gifs, path.stem, contender.name)
            took = seconds(lambda gif=gif, contender=contender: contender.make(path, gif))  # type: ignore[misc]
            rows.append(Row(path.stem, contender.name, gif.stat().st_size, took, *_figures(job, gif, kept)))
            print(
                f"  {contender.name}: {rows[-1].bytes / 1e3:.0f} kB, {took:.1f} s, SSIM {rows[-1].ssim:.4f}",
                flush=True,
            )
    return rows


def _figures(job: Job, gif: Path, kept: Path) -> tuple[float, float, float]:
    """SSIM, SSIM at half the size, and PSNR, at the rate and size of the frames that were ``kept``.

    MP4 and AVIF lack the last line of an odd side, so the reference's is left out too.
    """
    found = recording.read(kept, job.ffmpeg)
    even = 2 if gif.suffix in (".mp4", ".avif") else 1
    size = (found.width // even * even, found.height // even * even)
    half = (size[0] // 2, size[1] // 2)

    def compare(figure: quality.Figure, at: tuple[int, int]) -> float:
        reference = graphs.input(as_input(kept)).filter("crop", *size, 0, 0)
        return quality.compare(job, gif, reference, figure, FPS, at)

    return compare("ssim", size), compare("ssim", half), compare("psnr", size)


def times(path: Path, ffmpeg: Ffmpeg, gifs: Path) -> Times:
    """The recipe, alternating between the three ways to start it."""
    settings, gif = preset("blog"), gifs / "times.gif"
    taken: list[list[float]] = [[], [], []]
    for _ in range(REPEATS):
        taken[0].append(seconds(lambda: bare(ffmpeg, path, gif)))
        taken[1].append(seconds(lambda: void(convert(path, gif, settings, ffmpeg, Progress(), force=True))))
        taken[2].append(seconds(lambda: command_line(path, gif)))
    return Times(*map(statistics.median, taken))


def budget(path: Path, allowed: int, ffmpeg: Ffmpeg, gifs: Path) -> Budget:
    """The preset `screen` with ``allowed`` bytes."""
    settings = preset("screen").model_copy(update={"max_bytes": allowed})
    result = convert(path, gifs / f"{path.stem}-budget.gif", settings, ffmpeg, Progress(), force=True)
    print(f"  {path.stem}: {result.gif.bytes / 1e6:.2f} MB in {result.seconds:.0f} s", flush=True)
    return Budget(path.stem, allowed, result)


def to_csv(rows: Sequence[Row]) -> str:
    """The rows as CSV, figures rounded to what they are worth."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([field.name for field in fields(Row)])
    for row in rows:
        table.writerow([round(value, 4) if isinstance(value, float) else value for value in astuple(row)])
    return text.getvalue()
