"""Decisions and history as tables: drawn on a terminal, plain lines in a log."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.promote import history
from pipeline.promote.history import Entry

MARKS = {"passed": "green", "provisional": "yellow", "refused": "bold red"}


def show_decision(report: Mapping[str, Any]) -> None:
    """Print what promote decided; ``report`` is what reports/promotion.json holds."""
    rows = [
        (
            gate["name"],
            "" if gate["value"] is None else f"{gate['value']:.4g}",
            gate["limit"],
            "provisional"
            if gate["provisional"] and gate["passed"]
            else ("passed" if gate["passed"] else "refused"),
        )
        for gate in report["gates"]
    ]
    _show(("check", "measured", "asked", ""), rows)
    name = report["candidate"]["version"]
    print(f"{name}: {report['decision']}{' (provisional)' if report['provisional'] else ''}")
    for reason in report["reasons"]:
        print(f"  {reason}")
    if report["decision"] == "promoted":
        print(f"models/promoted holds it; it is version {report['model_version']} in the registry")
    elif report["decision"] == "would be promoted":
        # An experiment that ran in a copy leaves no model behind: the outputs are not in DVC's cache.
        print(
            "  in the workspace: `dvc exp apply` it, `dvc repro`, and if that ran nothing `python -m pipeline.promote`"
        )
    elif report["champion"] and report["decision"] != "already champion":
        print(f"the champion stays {report['champion']['version']}")


def show_history(entries: Sequence[Entry]) -> None:
    """Print all changes of champion, oldest first; a star marks the present one."""
    if not entries:
        print("no model was promoted yet; `dvc repro` makes and promotes one")
        return
    present = history.reign(entries)[-1]
    rows = [
        (
            "*" if entry is present else "",
            entry.when[:16].replace("T", " "),
            entry.who,
            entry.action,
            str(entry.version),
            entry.bundle,
            entry.why,
        )
        for entry in entries
    ]
    _show(("", "when (UTC)", "who", "what", "version", "bundle", "why"), rows)


def _show(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    if sys.stdout.isatty():
        table = Table(box=None, header_style="dim")
        for head in heads:
            table.add_column(head, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell, style=MARKS.get(cell, "")) for cell in row))
        Console().print(table)
        return
    lines = [list(heads), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
