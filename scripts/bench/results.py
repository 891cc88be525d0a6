"""What a benchmark found: rows of a CSV file, percentiles, and the tables of its page.

tabulate was tried for the tables: it pads the cells, so that one changed figure changes every line of a page.
"""

import argparse
import csv
import io
import math
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import psutil

from pipeline.core import files
from pipeline.core.errors import DataError, run_stage
from scripts.dev import readme

NO_VALUE = math.nan  # of a percentile where nothing was answered; an empty cell in the file

FLAT = 1.1

Row = TypeVar("Row")


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that ``percent`` (over 0, up to 100) of the values do not exceed; `NO_VALUE` of none."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(percent / 100 * len(ordered))) - 1] if ordered else NO_VALUE


def to_csv(rows: Sequence[Any]) -> str:
    """A header and a line for each of ``rows``, which are of one dataclass of words and numbers."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(rows[0])], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in asdict(row).items()})
    return text.getvalue()


def _cell(value: float | int | str) -> str:
    if not isinstance(value, float):
        return str(value)
    return "" if math.isnan(value) else f"{value:.3f}"


def of_csv(path: Path, kind: type[Row], command: str) -> list[Row]:
    """The rows that an earlier run of ``command`` wrote.

    Raises:
        DataError: there is no such file, or it has other columns.
    """
    types = get_type_hints(kind)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                kind(**{name: types[name](cell or "nan") if types[name] is float else types[name](cell)
                        for name, cell in row.items()})
                for row in csv.DictReader(file)
            ]  # fmt: skip
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} can't be used ({error}); `{command}` writes it") from error


def keep(path: Path, rows: Sequence[Row], dry: bool = False) -> Sequence[Row]:
    """Write the file; the rows as it has them, rounded, so that a page that is made from them can be made again."""
    if dry:
        return rows
    files.write_text(path, to_csv(rows))
    return of_csv(path, type(rows[0]), "this command")


def publish(page: Path, texts: Mapping[str, str], dry: bool = False) -> None:
    """Print what belongs between the markers of a page, and write it there."""
    for name, text in texts.items():
        print(f"{text}\n")
        if not dry:
            readme.write(name, text, page)


def command(run: Callable[..., None], about: str | None, prog: str, **options: tuple[float, str]) -> int:
    """Run a benchmark with what its command line says: ``options``, each with its default and help, and --dry."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=prog, description=about, formatter_class=form)
    for name, (value, meaning) in options.items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"{meaning} ({value:g})")
    parser.add_argument("--dry", action="store_true", help="print and write nothing")
    given = vars(parser.parse_args())
    return run_stage(lambda: run(**given))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows))


def sentence(found: Iterable[tuple[str, str, str]]) -> str:
    """What, figure and verdict in one line."""
    return "; ".join(f"{what} {figure}{' (**no**)' * (verdict == '**no**')}" for what, figure, verdict in found) + "."


def counts(found: Mapping[str, int]) -> str:
    """How often what came, in one line."""
    return ", ".join(f"{name}: {count:,}" for name, count in sorted(found.items()) if count)


def memory_line(mb: Sequence[float]) -> tuple[str, str, str]:
    """Memory over a long run, and whether it stayed flat: at most `FLAT` times that after a fifth of the time."""
    early, middle, last = mb[len(mb) // 5], mb[len(mb) // 2], mb[-1]
    figures = f"{early:.0f}, {middle:.0f}, {last:.0f}"
    return "memory after a fifth, half and all of the time, MB", figures, yes(last <= FLAT * early)


def yes(fulfilled: bool) -> str:
    """The last cell of a line that compares a figure with its target."""
    return "yes" if fulfilled else "**no**"


def circumstances(command: str) -> str:
    """When and where it was measured."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, `{command}`, {psutil.cpu_count()} cores shared by all, {memory:.0f} GiB, "
        f"Python {platform.python_version()}, load average at the end {psutil.getloadavg()[2]:.1f} (15 minutes)."
    )
