"""Decisions and history as tables: drawn on a terminal, plain lines in a log."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.promote.history import Entry

MARKS = {"passed": "green", "provisional": "yellow", "refused": "bold red"}
LOG_WIDTH = 160  # columns, where there is no terminal


def show_decision(report: Mapping[str, Any]) -> None:
    """Print what promote decided; ``report`` is what reports/promotion.json holds."""
    lines: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for gate in report["gates"]:
        lines.setdefault((gate["name"], gate["limit"]), []).append(gate)
    rows = []
    for (name, limit), gates in lines.items():
        values = ("" if gate["value"] is None else f"{gate['value']:.4g}" for gate in gates)
        measured = " / ".join(f"{g['variant'] or ''} {value}".strip() for g, value in zip(gates, values, strict=True))
        lenient = "provisional" if any(gate["provisional"] for gate in gates) else "passed"
        rows.append((name, measured, limit, lenient if all(gate["passed"] for gate in gates) else "refused"))
    if rows:
        _show(("check", "measured", "asked", ""), rows)
    decision = report["decision"]
    print(f"{report['candidate']['version']}: {decision}{' (provisional)' if report['provisional'] else ''}")
    for reason in report["reasons"]:
        print(f"  {reason}")
    if decision == "promoted":
        print(f"models/promoted holds it; it is version {report['model_version']} in the registry")
    elif decision == "would be promoted":
        # An experiment that ran in a copy leaves no model behind: the outputs are not in DVC's cache.
        print(
            "  in the workspace: `dvc exp apply` it, `dvc repro`, and if that ran nothing `python -m pipeline.promote`"
        )
    elif report["champion"] and decision != "already champion":
        print(f"the champion stays {report['champion']['version']}")


def show_history(entries: Sequence[Entry]) -> None:
    """Print all changes of champion, oldest first; a star marks the present one."""
    if not entries:
        print("no model was promoted yet; `dvc repro` makes and promotes one")
        return
    rows = [("", e.when[:16].replace("T", " "), e.who, e.action, str(e.version), e.bundle, e.why) for e in entries]
    rows[-1] = ("*", *rows[-1][1:])
    _show(("", "when (UTC)", "who", "what", "version", "bundle", "why"), rows)


def _show(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=MARKS.get(cell, "")) for cell in row))
    Console(width=None if sys.stdout.isatty() else LOG_WIDTH).print(table)
