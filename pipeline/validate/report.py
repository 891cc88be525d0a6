"""What validate has to say: reports/validation.json, one HTML page that needs nothing else, lines for the terminal."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from pipeline.core import files
from pipeline.data.findings import KINDS, Finding, Problem, shown
from pipeline.data.manifest import normal
from pipeline.data.settings import DataSettings
from pipeline.data.split import SIDES, SplitRow
from pipeline.validate.checks import ValidateSettings
from pipeline.validate.inspection import Measures

JSON, HTML = "validation.json", "validation.html"

# Bounds of the page, so that 10,000 pictures make no larger one than 500.
MOST_SUSPECTS = 60  # pictures
SUSPICIOUS = {"label_error", "tiny", "blurred", "dark", "bright", "flat"}  # what a look at the thumbnail can settle
MOST_SETS, MOST_OF_A_SET = 24, 4  # sets of pictures that show the same, and pictures of each
MOST_FINDINGS = 40  # of one kind; the JSON has them all


@dataclass(frozen=True)
class Outcome:
    """What validate found out about the photos."""

    findings: list[Finding]  # errors first
    measures: dict[str, Measures | Problem] = field(default_factory=dict)  # of every picture in the folders, by file
    alike: list[list[str]] = field(default_factory=list)  # files of the pictures that show the same
    closest: list[tuple[float, str, str]] = field(default_factory=list)  # most alike across labels and sides: cosine
    rows: list[SplitRow] = field(default_factory=list)  # empty if there is an error

    @property
    def errors(self) -> list[Finding]:
        """The findings that keep the pictures from being used."""
        return [finding for finding in self.findings if finding.severity == "error"]


@dataclass(frozen=True)
class Section:
    """Part of the page: cards (files whose thumbnails it shows, and a text) under a heading, or a contact sheet."""

    title: str
    text: str
    cards: Sequence[tuple[Sequence[str], str]] = ()
    sheet: Sequence[str] = ()


def write(folder: Path, outcome: Outcome, data: DataSettings, settings: ValidateSettings) -> Path:
    """Write both reports into ``folder``; returns the path of the page. The same photos give the same bytes.

    Raises:
        StorageError: a report can't be written.
    """
    facts = as_json(outcome, data)
    files.write_json(folder / JSON, facts)
    environment = Environment(
        loader=PackageLoader("pipeline.validate"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    thumbs = {shown(file): each.thumbnail for file, each in outcome.measures.items() if isinstance(each, Measures)}
    page = environment.get_template("validation.html.j2").render(
        facts=facts,
        sides=SIDES,
        kinds=_by_kind(outcome.findings),
        titles=KINDS,
        most_findings=MOST_FINDINGS,
        sections=[section for section in _sections(outcome, thumbs, data, settings) if section.cards or section.sheet],
        thumbs=thumbs,
        side_of={shown(row.file): row.split for row in outcome.rows},
    )
    files.write_text(folder / HTML, page)
    return folder / HTML


def as_json(outcome: Outcome, data: DataSettings) -> dict[str, Any]:
    """The whole outcome as plain values."""
    labels = Counter(_label(file) for file, each in outcome.measures.items() if isinstance(each, Measures))
    return {
        "ok": not outcome.errors,
        "pictures": len(outcome.measures),
        "labels": dict(sorted((label, number) for label, number in labels.items() if label != data.ood_label)),
        "ood_label": data.ood_label if data.ood_label in labels else None,
        "none_of_these": labels[data.ood_label],
        "errors": len(outcome.errors),
        "warnings": len(outcome.findings) - len(outcome.errors),
        "split": _split_table(outcome) if outcome.rows else None,
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
    groups = Counter(place[:3] for place in {(row.label, row.kind, row.split, row.group) for row in outcome.rows})
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
        lines.append(f"  {KINDS[kind]} ({len(members)}):")
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
    print(f"Report: {page}")


def _by_kind(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """The findings, which are sorted by kind, by kind."""
    return {kind: list(members) for kind, members in groupby(findings, lambda finding: finding.kind)}


def _sections(
    outcome: Outcome, thumbs: Iterable[str], data: DataSettings, settings: ValidateSettings
) -> Iterator[Section]:
    """The parts of the page that show pictures."""
    suspects = [
        (finding.files, finding.message)
        for finding in outcome.findings
        if finding.kind in SUSPICIOUS and {*finding.files} <= {*thumbs}
    ]
    yield Section("Suspicious pictures", "", suspects[:MOST_SUSPECTS])

    # Across labels first: `grouping` has them as conflicts.
    alike = sorted(outcome.alike, key=lambda members: len({_label(file) for file in members}) == 1)
    more = f" {len(alike) - MOST_SETS} more sets are not shown." if len(alike) > MOST_SETS else ""
    cards = [([*map(shown, members[:MOST_OF_A_SET])], f"{len(members)} pictures") for members in alike[:MOST_SETS]]
    yield Section("Pictures that show the same", f"They stay on one side of the split.{more}", cards)
    yield Section(
        "Most alike across labels and sides",
        "Two labels, or two sides of the split: if a pair shows the same thing, it teaches a contradiction or measures "
        "memory. The number is the cosine of what the pretrained network sees in them.",
        [([shown(one), shown(other)], f"{cosine:.2f}") for cosine, one, other in outcome.closest],
    )
    names = sorted(thumbs, key=lambda name: (_label(name) == data.ood_label, _label(name), name))
    sheets = {label: list(members) for label, members in groupby(names, _label)}
    share = settings.sheet_pictures
    if len(names) > share:  # then as many of each label as are its share, spread over the whole set
        share = max(4, share // len(sheets))
    for label, members in sheets.items():
        number = min(share, len(members))
        picked = [members[index * len(members) // number] for index in range(number)]
        text = f"{len(members):,} pictures" + (f", {number} of them" if number < len(members) else "")
        if outcome.rows:
            text += "; a dot marks what is not learnt: blue valid, orange test"
        yield Section(label, f"{text}, cut to the square that the model sees.", sheet=picked)
