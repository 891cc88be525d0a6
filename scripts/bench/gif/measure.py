"""Bytes, SSIM and VMAF of every contender's GIF of every clip, and the table and the expectations that they make."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ffmpeg as graphs
import numpy as np
from PIL import Image

from scripts.bench.gif.contenders import BARE, FPS, contenders, fitting_preset, frames, ours, preset
from scripts.bench.results import yes
from scripts.gif import quality
from scripts.gif.tool import Ffmpeg, as_input

SCREENS = ("interface", "text", "map", "demo")
SIBLINGS = ("mp4", "avif")  # of which a tenth of the GIF's bytes is expected
SLOWER, SIBLING_PART, FILLED = 1.1, 0.1, 0.9
HALF = "with half of its bytes"  # the fitting preset, by --max-bytes


@dataclass(frozen=True)
class Row:
    """A GIF, or a sibling of the fitting preset's: ssim (0..1) and vmaf (0..100) against the clip's own frames."""

    clip: str
    contender: str
    bytes: int
    seconds: float
    ssim: float
    vmaf: float


def measure(path: Path, ffmpeg: Ffmpeg, gifski: Path | None, gifs: Path) -> list[Row]:
    """Each contender's GIF of the clip ``path``, kept in ``gifs``; of the fitting preset also one of half the bytes."""
    rows: list[Row] = []
    fitting = preset(fitting_preset(path.stem), f"siblings=[{','.join(SIBLINGS)}]")
    with frames(path, preset("blog"), ffmpeg) as (job, kept):

        def add(name: str, film: Path, took: float) -> None:
            # MP4 and AVIF lack the last line of an odd side, so the reference's is left out too.
            even = 2 if film.suffix in (".mp4", ".avif") else 1
            with Image.open(gifs / f"{path.stem}-blog.gif") as blog:  # the first
                size = (blog.width // even * even, blog.height // even * even)
            reference = graphs.input(as_input(kept)).filter("crop", *size, 0, 0)
            ssim, vmaf = (quality.compare(job, film, reference, figure, FPS, size) for figure in ("ssim", "vmaf"))
            rows.append(Row(path.stem, name, film.stat().st_size, round(took, 2), round(ssim, 4), round(vmaf, 1)))
            print(
                f"  {name}: {rows[-1].bytes / 1e3:.0f} kB, {took:.1f} s, SSIM {ssim:.4f}, VMAF {vmaf:.1f}", flush=True
            )

        for name, make in contenders(ffmpeg, gifski).items():
            gif, began = gifs / f"{path.stem}-{name.replace(' ', '-')}.gif", time.perf_counter()
            make(path, gif)
            add(name, gif, time.perf_counter() - began)
        made = ours(path, gifs / f"{path.stem}-siblings.gif", fitting, ffmpeg)
        for kind, film in zip(SIBLINGS, made.siblings, strict=True):
            add(f"sibling .{kind}", film, math.nan)
        half = fitting.model_copy(update={"siblings": (), "max_bytes": made.gif.bytes // 2})
        add(HALF, ours(path, gifs / f"{path.stem}-half.gif", half, ffmpeg).gif.path, math.nan)
    return rows


def overview(rows: Sequence[Row]) -> tuple[Sequence[str], Iterator[Sequence[str]]]:
    """Head and lines of a table of all figures: a line for each contender, a column for each clip."""
    clips, names = (dict.fromkeys(getattr(row, key) for row in rows) for key in ("clip", "contender"))
    cell = {(row.clip, row.contender): f"{_kb(row.bytes)} / {row.ssim:.3f} / {row.vmaf:.0f}" for row in rows}
    return ("", *clips), ((name, *(cell[clip, name] for clip in clips)) for name in names)


def expectations(rows: Sequence[Row]) -> Iterator[tuple[str, str, str]]:
    """What the project promised itself, what came out, and whether that is it."""
    by = {(row.clip, row.contender): row for row in rows}
    clips = list(dict.fromkeys(row.clip for row in rows))
    blog, bare = (sum(row.seconds for row in rows if row.contender == name) for name in ("blog", BARE))
    expected = f"`blog` takes at most {SLOWER} times as long as the bare command, all clips together"
    yield expected, f"{blog / bare:.2f}", yes(blog <= SLOWER * bare)
    for clip in (clip for clip in clips if clip in (*SCREENS, "camera")):
        own, recipe = by[clip, fitting_preset(clip)], by[clip, BARE]
        expected = f"`{own.contender}` on {clip}: fewer bytes and a higher SSIM than the recipe"
        found = f"{_kb(own.bytes)} against {_kb(recipe.bytes)} kB, {own.ssim:.4f} against {recipe.ssim:.4f}"
        yield expected, found, yes(own.bytes < recipe.bytes and own.ssim > recipe.ssim)
    for clip in (clip for clip in clips if clip in SCREENS):
        own = by[clip, "screen"]
        if theirs := [row for row in rows if row.clip == clip and row.contender.startswith("gifski")]:
            equal = at_equal_ssim(theirs, own.ssim)
            found = f"{_kb(own.bytes)} against {_kb(equal)} kB" if equal else "gifski reaches that SSIM at no quality"
            verdict = yes(not equal or own.bytes <= equal)
            yield f"`screen` on {clip}: no larger than gifski at equal SSIM", found, verdict
    for kind in SIBLINGS:
        gifs, beside = (
            sum(by[clip, name or fitting_preset(clip)].bytes for clip in clips) for name in ("", f"sibling .{kind}")
        )
        expected = f"the `.{kind}` beside the GIFs of all clips: at most a tenth of their bytes"
        yield expected, f"{_kb(beside)} of {_kb(gifs)} kB = {beside / gifs:.0%}", yes(beside <= SIBLING_PART * gifs)
    parts = [by[clip, HALF].bytes / (by[clip, fitting_preset(clip)].bytes // 2) for clip in clips]
    expected = f"`--max-bytes` of half of each clip's GIF: it holds, and {FILLED:.0%} of it are used"
    yield expected, ", ".join(f"{part:.1%}" for part in parts), yes(all(FILLED <= part <= 1 for part in parts))


def at_equal_ssim(rows: Sequence[Row], ssim: float) -> float | None:
    """Bytes that the contender of ``rows`` needs for an SSIM, between its nearest qualities, or its least one's.

    None: it can't.
    """
    ssims, sizes = zip(*sorted((row.ssim, row.bytes) for row in rows), strict=True)
    return float(np.exp(np.interp(ssim, ssims, np.log(sizes)))) if ssim <= ssims[-1] else None


def _kb(size: float) -> str:
    return f"{size / 1e3:.0f}"
