"""The tables of docs/bench-gif.md."""

import datetime
import math
import os
import platform
from collections.abc import Iterable, Iterator, Sequence

from scripts.bench_gif.contenders import SIBLINGS, fitting_preset
from scripts.bench_gif.measure import Budget, Row, Times

SCREENS = ("interface", "text", "map", "demo")
BARE = "the bare recipe"
SHOWN_GIFSKI = ("gifski q100", "gifski q80", "gifski q60", "gifski q40")
SLOWER = 1.1
SIBLING_PART = 0.1
SMALL = ("mp4", "avif")  # of which a tenth of the bytes is expected
BUDGET_S = 60


def report(rows: Sequence[Row], times: Times, budgets: Sequence[Budget], versions: Sequence[str]) -> str:
    """Date and machine, what was expected beside what was found, and a table of each clip."""
    date = datetime.datetime.now(tz=datetime.UTC).date()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [
        f"{date}, `make bench-gif`, {cores} cores, Python {platform.python_version()}, {'; '.join(versions)}. "
        "All GIFs have 20 frames a second and are 337 pixels wide, but `small` (10, 240); figures are against the "
        "clip's own frames at that rate and width, at full size and (half) at half of it, where dither is seen as "
        "the eye sees it.",
        "### Against what was expected",
        table(("expected", "found", ""), expectations(rows, times, budgets)),
        "### The same beside the GIF",
        "Of each clip's own preset: kB, their part of the GIF's, SSIM, and seconds with the GIF.",
        table(("", "GIF", *(f".{kind}" for kind in SIBLINGS)), beside(rows)),
    ]
    for clip in dict.fromkeys(row.clip for row in rows):
        of_clip = [
            row
            for row in rows
            if row.clip == clip
            and (not row.contender.startswith("gifski") or row.contender in SHOWN_GIFSKI)
            and not row.contender.endswith(SIBLINGS)
        ]
        parts += [
            f"### {clip}",
            table(("", "kB", "s", "SSIM", "SSIM half", "PSNR dB"), map(_cells, of_clip), numbers=5),
        ]
    return "\n\n".join(parts)


def expectations(rows: Sequence[Row], times: Times, budgets: Sequence[Budget]) -> Iterator[tuple[str, str, str]]:
    """What the project promised itself, what came out, and whether that is it."""
    ratio, whole = times.within / times.bare, times.command / times.bare
    expected = f"`blog` of 15 s of a phone's screen takes at most {SLOWER} times as long as the bare command"
    found = f"{times.within:.2f} / {times.bare:.2f} s = {ratio:.2f}; "
    found += f"with Python's start {times.command:.2f} s = {whole:.2f}"
    yield expected, found, _yes(ratio <= SLOWER)
    by = {(row.clip, row.contender): row for row in rows}
    clips = {row.clip for row in rows}
    screens = [clip for clip in SCREENS if clip in clips]
    for preset, its in (("screen", screens), ("camera", clips & {"camera"})):
        for clip in its:
            ours, recipe = by[clip, preset], by[clip, BARE]
            expected = f"`{preset}` on {clip}: fewer bytes and a higher SSIM than the recipe"
            found = f"{_kb(ours.bytes)} against {_kb(recipe.bytes)} kB, {ours.ssim:.4f} against {recipe.ssim:.4f}"
            yield expected, found, _yes(ours.bytes < recipe.bytes and ours.ssim > recipe.ssim)
    for clip in screens:
        ours = by[clip, "screen"]
        theirs = [row for row in rows if row.clip == clip and row.contender.startswith("gifski")]
        if theirs:
            equal = at_equal_ssim(theirs, ours.ssim)
            found = f"{_kb(ours.bytes)} against {_kb(equal)} kB" if equal else "gifski reaches that SSIM at no quality"
            verdict = _yes(not equal or ours.bytes <= equal)
            yield f"`screen` on {clip}: no larger than gifski at equal SSIM", found, verdict
    for kind in SMALL:
        if pairs := _pairs(rows, kind):
            all_gifs, own = (sum(row.bytes for row in of_all) for of_all in zip(*pairs, strict=True))
            expected = f"the `.{kind}` beside the GIFs of all clips: a tenth of their bytes"
            found = f"{_kb(own)} of {_kb(all_gifs)} kB = {own / all_gifs:.0%}"
            yield expected, found, _yes(own <= SIBLING_PART * all_gifs)
    for budget in budgets:
        gif, took = budget.result.gif, budget.result.seconds
        expected = f"15 s of {budget.clip} under {budget.allowed / 1e6:g} MB in under {BUDGET_S} s"
        found = f"{gif.bytes / 1e6:.2f} MB in {took:.0f} s: {gif.width} px, {gif.frames / gif.seconds:.0f} fps"
        yield expected, found, _yes(gif.bytes <= budget.allowed and took < BUDGET_S)


def beside(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """For each clip its preset's GIF and the siblings of it."""

    def cell(row: Row, part: str) -> str:
        return f"{_kb(row.bytes)} kB, {part}{row.ssim:.4f}, {row.seconds:.1f} s"

    return [
        (
            pairs[0][0].clip,
            cell(pairs[0][0], ""),
            *(cell(own, f"{own.bytes / gif.bytes:.0%}, ") for gif, own in pairs),
        )
        for pairs in zip(*(_pairs(rows, kind) for kind in SIBLINGS), strict=True)
    ]


def _pairs(rows: Sequence[Row], kind: str) -> list[tuple[Row, Row]]:
    """Each clip's GIF of the preset for it, and the sibling of that ``kind``."""
    by = {(row.clip, row.contender): row for row in rows}
    return [
        (by[row.clip, fitting_preset(row.clip)], row)
        for row in rows
        if row.contender == f"{fitting_preset(row.clip)}.{kind}"
    ]


def at_equal_ssim(rows: Sequence[Row], ssim: float) -> float | None:
    """Bytes that the contender of ``rows`` needs for an SSIM, between its two nearest qualities; None: it can't.

    If even its least is better, that is what it needs.
    """
    ordered = sorted(rows, key=lambda row: row.ssim)
    if ssim > ordered[-1].ssim:
        return None
    if ssim <= ordered[0].ssim:
        return min(row.bytes for row in ordered)
    above = next(number for number, row in enumerate(ordered) if row.ssim >= ssim)
    low, high = ordered[above - 1], ordered[above]
    part = (ssim - low.ssim) / (high.ssim - low.ssim)
    return math.exp(math.log(low.bytes) + part * (math.log(high.bytes) - math.log(low.bytes)))


def _cells(row: Row) -> tuple[str, ...]:
    ssims = f"{row.ssim:.4f}", f"{row.ssim_half:.4f}"
    return row.contender, _kb(row.bytes), f"{row.seconds:.1f}", *ssims, f"{row.psnr:.1f}"


def _kb(size: float) -> str:
    return f"{size / 1e3:.0f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """In Markdown; the last columns, so many, are ``numbers``."""
    rule = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _yes(holds: bool) -> str:
    return "yes" if holds else "**no**"
