"""Compare this project's GIFs with those of ffmpeg by itself and of gifski, on six clips, in one run.

Writes docs/bench/gif.csv and the tables of docs/bench-gif.md; clips, GIFs and contact sheets stay in build/bench-gif.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.core import files
from pipeline.core.errors import run_stage
from scripts.bench_gif import clips, measure
from scripts.bench_gif.contenders import SIBLINGS, contenders, find_gifski
from scripts.bench_gif.report import report
from scripts.bench_gif.sheets import sheet
from scripts.dev import readme
from scripts.gif import tool
from scripts.gif.stage.errors import as_pipeline_errors

CSV = Path("docs/bench/gif.csv")
PAGE = Path("docs/bench-gif.md")
FOLDER = Path("build/bench-gif")
BUDGET = 3_000_000


def bench(only: Sequence[str]) -> None:
    """Measure all clips, or those that ``only`` names, whose results then go nowhere but to the terminal.

    Raises:
        PipelineError: the photos are not there, or ffmpeg can't make the clips.
        GifError: there is no ffmpeg that can do it.
    """
    ffmpeg = tool.find(SIBLINGS)
    gifski, about = find_gifski()
    print(f"{ffmpeg}; {about}")
    gifs = FOLDER / "gifs"
    gifs.mkdir(parents=True, exist_ok=True)
    rows: list[measure.Row] = []
    for path in clips.all_films(FOLDER / "clips", ffmpeg.path, only):
        print(f"== {path.stem}", flush=True)
        of_clip = measure.clip(path, contenders(path.stem, ffmpeg, gifski), ffmpeg, gifs)
        sheet(of_clip, gifs).save(FOLDER / f"{path.stem}.png")
        rows += of_clip
    if only:
        return
    phones = [clip.make(FOLDER / "clips", ffmpeg.path) for clip in clips.phone_films()]
    print("== times", flush=True)
    times = measure.times(phones[0], ffmpeg, gifs)
    print("== budgets", flush=True)
    budgets = [measure.budget(path, BUDGET, ffmpeg, gifs) for path in phones]
    files.write_text(CSV, measure.to_csv(rows))
    gifsicle = "gifsicle in the search" if tool.gifsicle() else "no gifsicle"
    readme.write("tables", report(rows, times, budgets, [f"ffmpeg {ffmpeg.version}", about, gifsicle]), PAGE)
    print(f"-> {CSV}, {PAGE}; look at {FOLDER}/*.png")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(
        prog="make bench-gif", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[], help="some clips, and nothing is written to docs/")
    given = parser.parse_args(argv)

    def stage() -> None:
        with as_pipeline_errors():
            bench(given.only)

    return run_stage(stage)


if __name__ == "__main__":
    sys.exit(main())
