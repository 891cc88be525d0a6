"""Compare this project's GIFs with those of ffmpeg by itself and of gifski, on six clips, in one run.

Writes docs/bench/gif.csv and the tables of docs/bench-gif.md; clips and GIFs stay in build/bench-gif, to be looked at.
"""

import sys
from pathlib import Path

from pipeline.core.errors import run_stage
from scripts.bench import results
from scripts.bench.gif import clips, looks, measure
from scripts.bench.gif.contenders import find_gifski
from scripts.gif import tool
from scripts.gif.stage import as_pipeline_errors

CSV = Path("docs/bench/gif.csv")
PAGE = Path("docs/bench-gif.md")
FOLDER = Path("build/bench-gif")


def bench() -> None:
    """Measure all clips.

    Raises:
        PipelineError: the data is not there, or ffmpeg can't make the clips or compare them.
    """
    with as_pipeline_errors():
        ffmpeg = tool.find(measure.SIBLINGS)
        gifski, about = find_gifski()
        print(f"{ffmpeg}; {about}")
        (FOLDER / "gifs").mkdir(parents=True, exist_ok=True)
        rows, metrics = [], {}
        for path in clips.films(FOLDER / "clips", ffmpeg.path):
            print(f"== {path.stem}", flush=True)
            rows += measure.measure(path, ffmpeg, gifski, FOLDER / "gifs")
            metrics[path.stem] = looks.measure(path, ffmpeg)
    results.keep(CSV, rows)
    gifsicle = "gifsicle in the search" if tool.gifsicle() else "no gifsicle"
    made = f"{results.circumstances('make bench-gif')} ffmpeg {ffmpeg.version}; {about}; {gifsicle}."
    expected = results.table(("expected", "found", ""), measure.expectations(rows))
    head = ("", *(f"{one} and {other}" for one, other in looks.PAIRS))
    tables = f"{made}\n\n{expected}\n\n{results.table(*measure.overview(rows))}"
    results.publish(PAGE, {"tables": tables, "looks": results.table(head, looks.correlations(metrics))})
    print(f"-> {CSV}, {PAGE}; look at {FOLDER}/gifs")


if __name__ == "__main__":
    sys.exit(run_stage(bench, description=__doc__))
