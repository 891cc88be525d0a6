"""The stage that looks at the photos: everything that is wrong with them at once, a report, and the split.

Reads the pictures and the manifest, writes build/split.csv, reports/validation.json and
reports/validation.html. When it fails the reports are written as well, the split is not.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.core import config
from pipeline.core.errors import DataError, run_stage
from pipeline.data import split
from pipeline.data.settings import DataSettings
from pipeline.data.split import SplitSettings
from pipeline.validate import report as validation_report
from pipeline.validate.checks import ValidateSettings
from pipeline.validate.examination import examine

REPORTS = Path("reports")


def validate(data: DataSettings, settings: ValidateSettings, split_settings: SplitSettings) -> None:
    """Look at the photos, write the reports, and the split if nothing is wrong.

    Raises:
        DataError: something is wrong with the photos; lists everything, capped for the terminal.
        StorageError: an output can't be written.
    """
    with _progress(data.images) as progress:
        outcome = examine(data, settings, split_settings, progress)
    page = validation_report.write(REPORTS, outcome, data, settings)
    if outcome.errors:
        raise DataError(
            f"the photos can't be used as they are (errors: {len(outcome.errors)}); nothing was made of them\n"
            + validation_report.listing(outcome.errors, settings.terminal_findings, page)
        )
    split.write_split(split.SPLIT, outcome.rows)
    print(validation_report.summary(outcome, data, settings, page))


@contextmanager
def _progress(images: Path) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing in a log."""
    if not sys.stderr.isatty():
        yield lambda _, __: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn(f"looking at {images}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage on the settings in params.yaml."""
    argparse.ArgumentParser(prog="python -m pipeline.validate", description=__doc__).parse_args(argv)

    def stage() -> None:
        data = config.load("data", DataSettings)
        settings = config.load("validate", ValidateSettings)
        split_settings = config.load("split", SplitSettings)
        if data.recipe == "pets":
            from pipeline.data import pets

            pets.prepare(data)
        validate(data, settings, split_settings)

    return run_stage(stage)
