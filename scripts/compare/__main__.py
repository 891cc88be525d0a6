"""Recipes, backbones and few photos compared on pictures from elsewhere; writes docs/compare.md.

Only photos of training and validation take part: what is chosen by these tables was not chosen on the test split.
"""

import argparse
import datetime
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.core import config
from pipeline.core.errors import run_stage
from pipeline.data.settings import DataSettings
from pipeline.data.split import SPLIT, read_split
from pipeline.evaluate.summary import interval
from pipeline.models.photos import Classes, Photos
from pipeline.models.settings import ModelSettings
from scripts.compare import few, recipes
from scripts.dev import readme

PAGE = Path("docs/compare.md")
STRENGTH = 1e-3  # what cross-validation chooses on these photos


def compare(names: Sequence[str]) -> None:
    """Make the tables ``names`` anew and leave the others of the page as they are."""
    data, model = config.load("data", DataSettings), config.load("model", ModelSettings)
    rows = read_split(SPLIT)
    every = Photos.of(rows, data.images, Classes.of(rows, data.ood_label))
    photos = every.take(every.fitted)
    makers = {
        "recipes": lambda: _recipes(photos),
        "few": lambda: _few(photos),
        "curve": lambda: _curve(photos, model),
    }
    for name in names or makers:
        text = "\n".join(makers[name]())
        print(text, flush=True)
        readme.write(name, f"{text}\n\n{datetime.date.today()}, `python -m scripts.compare {name}`.", PAGE)


def _recipes(photos: Photos) -> Iterator[str]:
    yield "| recipe | likeliest label right | served right | AUROC | rejected where 90 % of the others are |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for line in recipes.compare(photos):
        figures = (line.closed_set, line.served, line.auroc, line.rejected_at_90_caught)
        forms = ("{:.1%}", "{:.1%}", "{:.3f}", "{:.1%}")
        cells = [_spread(figure, form) for figure, form in zip(figures, forms, strict=True)]
        yield f"| {line.recipe} | {' | '.join(cells)} |"


def _spread(figure: tuple[float, float, float], form: str) -> str:
    mean, least, most = (form.format(part) for part in figure)
    return mean if least == most else f"{mean} ({least} to {most})"


def _few(photos: Photos) -> Iterator[str]:
    counts = [*map(str, few.COUNTS), "all"]
    yield f"| backbone | {' | '.join(counts)} | ms | MB |"
    yield f"| --- |{' ---: |' * (len(counts) + 2)}"
    missing = []
    for each in few.backbones(photos):
        if each.unavailable:
            missing.append(each.name)
            continue
        cells = [interval(each.served[count], "{:.0%}") for count in counts]
        yield f"| {each.name} | {' | '.join(cells)} | {each.milliseconds:.1f} | {each.megabytes:.1f} |"
    if missing:
        yield ""
        yield f"Not tried, as their weights could not be downloaded here: {', '.join(missing)}."


def _curve(photos: Photos, model: ModelSettings) -> Iterator[str]:
    found = list(few.curve(photos, model.backbone, model.size, STRENGTH))
    yield "| label | photos | foretold | points, for twice as many | points that they brought | inside the interval |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for label in dict.fromkeys(each.label for each in found):
        own = [each for each in found if each.label == label]
        said = [(e.foretold, e.brought, e.low <= e.brought <= e.high) for e in own if e.foretold is not None]  # type: ignore[operator]
        cells = ("-", "-", "-")
        if said:
            foretold, brought, inside = (np.array(column) for column in zip(*said, strict=True))
            cells = (f"{foretold.mean() * 100:+.1f}", f"{brought.mean() * 100:+.1f}", f"{inside.sum()} of {len(said)}")
        yield f"| {label} | {own[0].photos} | {len(said)} of {len(own)} | {' | '.join(cells)} |"


def main(argv: Sequence[str] | None = None) -> int:
    """Make the tables that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m scripts.compare", description=__doc__)
    parser.add_argument("tables", nargs="*", choices=("recipes", "few", "curve", []), help="all without")
    return run_stage(lambda: compare(parser.parse_args(argv).tables))


if __name__ == "__main__":
    sys.exit(main())
