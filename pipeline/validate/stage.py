"""The stage that looks at the photos: everything that is wrong with them at once, a report, and the split.

Reads the pictures and the manifest, writes build/split.csv, reports/validation.json and
reports/validation.html. When it fails the reports are written as well, the split is not.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bars

from pipeline.core import config
from pipeline.core.errors import DataError, run_stage
from pipeline.data import split
from pipeline.data.settings import DataSettings
from pipeline.data.split import SplitSettings
from pipeline.models.settings import ModelSettings
from pipeline.validate import report as validation_report
from pipeline.validate.checks import ValidateSettings
from pipeline.validate.examination import Progress, examine

REPORTS = Path("reports")


def validate(
    data: DataSettings, settings: ValidateSettings, split_settings: SplitSettings, model: ModelSettings
) -> None:
    """Look at the photos, write the reports, and the split if nothing is wrong.

    Raises:
        DataError: something is wrong with the photos; lists everything, capped for the terminal.
        StorageError: an output can't be written.
    """
    with _progress() as progress:
        outcome = examine(data, settings, split_settings, model, progress)
    page = validation_report.write(REPORTS, outcome, data, settings)
    if outcome.errors:
        raise DataError(
            f"the photos can't be used as they are (errors: {len(outcome.errors)}); nothing was made of them\n"
            + validation_report.listing(outcome.errors, settings.terminal_findings, page)
        )
    split.write_split(split.SPLIT, outcome.rows)
    validation_report.print_summary(outcome, data, settings, page)


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal, nothing in a log."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("", total=None)
        yield lambda what, done, total: bars.update(task, description=what, completed=done, total=total)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stage on the settings in params.yaml."""

    def stage() -> None:
        validate(
            config.load("data", DataSettings),
            config.load("validate", ValidateSettings),
            config.load("split", SplitSettings),
            config.load("model", ModelSettings),
        )

    return run_stage(stage, description=__doc__, argv=argv)
