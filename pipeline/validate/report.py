"""What validate has to say: reports/validation.json, one HTML page that needs nothing else, lines for the
terminal."""

import base64
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pipeline.core import files
from pipeline.data.findings import Finding, shown
from pipeline.data.manifest import normal
from pipeline.data.settings import DataSettings
from pipeline.data.split import SIDES
from pipeline.validate.checks import ValidateSettings
from pipeline.validate.examination import Outcome

JSON, HTML = "validation.json", "validation.html"

# Bounds of the page, so that 10,000 pictures make no larger one than 500.
MOST_SUSPECTS = 60  # pictures
SUSPICIOUS = frozenset(
    {"label_error", "tiny", "blurred", "dark", "bright", "flat"}
)  # what a look at the thumbnail can settle
MOST_SETS, MOST_OF_A_SET = 24, 4  # sets of pictures that show the same, and pictures of each
MOST_FINDINGS = 40  # of one kind; the JSON has them all

# What a kind is called where there is more than one of it.
TITLES = {
    "manifest_unusable": "the manifest can't be used",
    "manifest_row": "rows of the manifest that are wrong",
    "illegal_name": "names that can't be used",
    "name_clash": "names that clash",
    "missing_row": "pictures without a row in the manifest",
    "missing_file": "rows without a picture",
    "no_licence": "pictures without a licence",
    "no_label": "pictures outside the folders of the labels",
    "stray_file": "files that are no pictures",
    "unreadable": "files that can't be read",
    "not_a_picture": "files that are no picture of a format that is taken",
    "unsupported_format": "pictures of a format that is not taken",
    "damaged": "damaged pictures",
    "animated": "animated pictures",
    "too_many_pixels": "pictures with too many pixels",
    "label_error": "pictures that look as if they belong under another label",
    "tiny": "tiny pictures",
    "blurred": "blurred pictures",
    "dark": "underexposed pictures",
    "bright": "overexposed pictures",
    "flat": "pictures of one colour",
    "label_conflict": "same picture under two labels",
    "near_label_conflict": "nearly the same picture under two labels",
    "duplicate": "same picture more than once",
    "near_duplicate": "nearly the same picture more than once",
    "too_few_pictures": "labels with too few pictures",
    "too_few_labels": "too few labels",
    "empty_label": "labels without a picture",
    "imbalance": "labels out of balance",
    "too_few_groups": "labels with too few independent pictures",
    "one_burst": "labels photographed in one go",
    "sitting": "photos of one sitting",
}


def write(folder: Path, outcome: Outcome, data: DataSettings, settings: ValidateSettings) -> Path:
    """Write both reports into ``folder``; returns the path of the page. The same photos give the same bytes.

    Raises:
        StorageError: a report can't be written.
    """
    facts = as_json(outcome, data)
    files.write_json(folder / JSON, facts)
    files.write_text(folder / HTML, _page(facts, outcome, data, settings))
    return folder / HTML


def as_json(outcome: Outcome, data: DataSettings) -> dict[str, Any]:
    """The whole outcome as plain values."""
    decoded = [found for found in outcome.inspections if found.measures is not None]
    labels = Counter(_label(found.file) for found in decoded)
    return {
        "ok": not outcome.errors,
        "pictures": len(outcome.inspections),
        "labels": dict(sorted((label, number) for label, number in labels.items() if label != data.ood_label)),
        "ood_label": data.ood_label if data.ood_label in labels else None,
        "none_of_these": labels[data.ood_label],
        "errors": len(outcome.errors),
        "warnings": len(outcome.findings) - len(outcome.errors),
        "split": _split_table(outcome) if outcome.rows else None,
        "leak": None
        if outcome.leak is None
        else {
            "test_pictures": outcome.leak.test,
            "random_split": round(outcome.leak.random, 2),
            "this_split": outcome.leak.grouped,
        },
        "findings": [
            {"kind": f.kind, "severity": f.severity, "files": list(f.files), "message": f.message}
            for f in outcome.findings
        ],
    }


def _label(file: str) -> str:
    return shown(normal(file.split("/")[0])) if "/" in file else "(no label)"


def _split_table(outcome: Outcome) -> list[dict[str, Any]]:
    """A line for each label and kind: pictures and groups on each side."""
    pictures = Counter((row.label, row.kind, row.split) for row in outcome.rows)
    groups = Counter(
        (label, kind, side)
        for label, kind, side, _ in {(row.label, row.kind, row.split, row.group) for row in outcome.rows}
    )
    return [
        {
            "label": label,
            "kind": kind,
            "pictures": {side: pictures[label, kind, side] for side in SIDES},
            "groups": {side: groups[label, kind, side] for side in SIDES},
        }
        for label, kind in sorted({(row.label, row.kind) for row in outcome.rows})
    ]


def listing(findings: Sequence[Finding], most: int, page: Path) -> str:
    """Lines for the terminal, by kind, at most ``most`` of each."""
    lines: list[str] = []
    for kind, members in _by_kind(findings).items():
        lines.append(f"  {TITLES[kind]} ({len(members)}):")
        lines += [f"    {finding.message}" for finding in members[:most]]
        if len(members) > most:
            lines.append(f"    ... and {len(members) - most} more")
    lines.append(f"  with thumbnails: {page}")
    return "\n".join(lines)


def print_summary(outcome: Outcome, data: DataSettings, settings: ValidateSettings, page: Path) -> None:
    """Say on the terminal what a look that found no error found, with a table of the split."""
    facts = as_json(outcome, data)
    labels = ", ".join(f"{label} {number}" for label, number in facts["labels"].items())
    if facts["ood_label"]:
        labels += f", none of these {facts['none_of_these']}"
    print(f"{facts['pictures']} pictures ({labels}): no errors, {facts['warnings']} warnings")
    if outcome.findings:
        print(listing(outcome.findings, settings.terminal_findings, page))
    table = Table("", "", *(Column(side, justify="right") for side in SIDES), box=None)
    for line in facts["split"]:
        table.add_row(Text(line["label"]), line["kind"], *(str(line["pictures"][side]) for side in SIDES))
    Console().print(table)
    if outcome.leak is not None:
        print(
            f"A random split would have put {outcome.leak.random:.1f} of {outcome.leak.test} test pictures "
            f"beside a sibling in train; this one: {outcome.leak.grouped}. Report: {page}"
        )


def _by_kind(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    kinds: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        kinds[finding.kind].append(finding)
    return dict(kinds)


def _page(facts: dict[str, Any], outcome: Outcome, data: DataSettings, settings: ValidateSettings) -> str:
    environment = Environment(
        loader=PackageLoader("pipeline.validate"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    thumbs = {
        shown(found.file): "data:image/jpeg;base64," + base64.b64encode(found.measures.thumbnail).decode()
        for found in outcome.inspections
        if found.measures is not None
    }
    side_of = {shown(row.file): row.split for row in outcome.rows}
    # Across labels first: `checks.check_together` has them as conflicts.
    alike = sorted(
        (tuple(map(shown, members)) for members in outcome.alike),
        key=lambda members: len({_label(file) for file in members}) == 1,
    )
    return environment.get_template("validation.html.j2").render(
        facts=facts,
        sides=SIDES,
        split=_with_totals(facts["split"] or []),
        sheets=list(_sheets(sorted(thumbs), data.ood_label, settings.sheet_pictures)),
        suspects=list(_suspects(outcome.findings, thumbs))[:MOST_SUSPECTS],
        closest=[(cosine, shown(one), shown(other)) for cosine, one, other in outcome.closest],
        alike=[(members[:MOST_OF_A_SET], len(members)) for members in alike[:MOST_SETS]],
        alike_more=max(0, len(alike) - MOST_SETS),
        kinds=[
            (TITLES[kind], members[0].severity, members[:MOST_FINDINGS], len(members))
            for kind, members in _by_kind(outcome.findings).items()
        ],
        most_findings=MOST_FINDINGS,
        thumbs=thumbs,
        side_of=side_of,
    )


def _with_totals(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add to each line its total and the part of each side in percent."""
    return [
        line
        | {
            "total": sum(line["pictures"].values()),
            "percent": {s: 100 * n / sum(line["pictures"].values()) for s, n in line["pictures"].items()},
        }
        for line in lines
    ]


def _sheets(names: Sequence[str], ood_label: str, most: int) -> Iterator[dict[str, Any]]:
    """A contact sheet for each label: all its pictures, or as many as are its share, spread over the whole
    set."""
    labels: dict[str, list[str]] = defaultdict(list)
    for name in names:
        labels[_label(name)].append(name)
    share = most if len(names) <= most else max(4, most // len(labels))
    for label, members in sorted(labels.items(), key=lambda item: (item[0] == ood_label, item[0])):
        number = min(share, len(members))
        picked = [members[index * len(members) // number] for index in range(number)]
        yield {"label": label, "none": label == ood_label, "total": len(members), "files": picked}


def _suspects(findings: Sequence[Finding], thumbs: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """File, what is wrong with it, severity, of pictures that look as if they were no use."""
    for finding in findings:
        if finding.kind in SUSPICIOUS and finding.files[0] in thumbs:
            yield finding.files[0], finding.message.removeprefix(f"{finding.files[0]}: "), finding.severity
