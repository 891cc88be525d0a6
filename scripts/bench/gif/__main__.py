"""Compare this project's GIFs with those of ffmpeg by itself and of gifski, on six clips, in one run.

Writes docs/bench/gif.csv and the tables of docs/bench-gif.md; clips and GIFs stay in build/bench-gif, to be looked at.
"""

import csv
import datetime
import io
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path

from pipeline.core import files
from pipeline.core.errors import run_stage
from scripts.bench.gif import clips, looks, measure
from scripts.bench.gif.contenders import find_gifski
from scripts.dev import readme
from scripts.gif import tool
from scripts.gif.stage import as_pipeline_errors

CSV = Path("docs/bench/gif.csv")
PAGE = Path("docs/bench-gif.md")
FOLDER = Path("build/bench-gif")


def bench() -> None:
    """Measure all clips.

    Raises:
        PipelineError: the data is not there, ffmpeg can't make the clips, or FLIP can't be installed.
    """
    with as_pipeline_errors():
        ffmpeg, flip = tool.find(measure.SIBLINGS), looks.find_flip()
        gifski, about = find_gifski()
        print(f"{ffmpeg}; {about}")
        (FOLDER / "gifs").mkdir(parents=True, exist_ok=True)
        rows, metrics = [], {}
        for path in clips.films(FOLDER / "clips", ffmpeg.path):
            print(f"== {path.stem}", flush=True)
            rows += measure.measure(path, ffmpeg, gifski, FOLDER / "gifs")
            metrics[path.stem] = looks.measure(path, ffmpeg, flip)
    files.write_text(CSV, to_csv(rows))
    gifsicle = "gifsicle in the search" if tool.gifsicle() else "no gifsicle"
    date, cores = datetime.datetime.now(tz=datetime.UTC).date(), len(os.sched_getaffinity(0))
    made = f"{date}, `make bench-gif`, {cores} cores, ffmpeg {ffmpeg.version}; {about}; {gifsicle}; {looks.FLIP}."
    expected = table(("expected", "found", ""), measure.expectations(rows))
    readme.write("tables", f"{made}\n\n{expected}\n\n{table(*measure.overview(rows))}", PAGE)
    head = ("", *(f"{one} and {other}" for one, other in looks.PAIRS))
    readme.write("looks", table(head, looks.correlations(metrics)), PAGE)
    print(f"-> {CSV}, {PAGE}; look at {FOLDER}/gifs")


def to_csv(rows: Sequence[measure.Row]) -> str:
    """The rows as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(measure.Row)])
    writer.writerows(map(astuple, rows))
    return text.getvalue()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


if __name__ == "__main__":
    sys.exit(run_stage(bench, description=__doc__))
