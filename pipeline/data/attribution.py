"""ATTRIBUTION.md: who made the pictures and under which licence, generated from the manifest."""

import re
from itertools import groupby
from pathlib import Path

from pipeline.core import files
from pipeline.core.errors import DataError
from pipeline.data import manifest
from pipeline.data.manifest import Row

HEAD = """\
# Attribution

The pictures in `data/` were made by many people and come under the licences below. The code of this project
is its own work under the Apache License 2.0 (`LICENSE`), which does not extend to the pictures.

Generated from `{manifest}` by `python -m pipeline.data attribution`; edit the manifest, not this page.
"""


def update(source: Path, target: Path, *, check: bool = False) -> None:
    """Write ``target`` from the manifest ``source``, or with ``check`` only see whether it is up to date.

    Raises:
        DataError: the manifest is damaged, or with ``check``: the page is missing or stale.
        StorageError: the page can't be written.
    """
    text = render(manifest.read(source), source)
    if not check:
        files.write_text(target, text)
        print(f"{source} -> {target}")
    elif not target.is_file() or target.read_text(encoding="utf-8") != text:
        raise DataError(f"{target} is not what {source} says; run `python -m pipeline.data attribution`")
    else:
        print(f"{target} is up to date")


def render(rows: list[Row], source: Path) -> str:
    """Write the page: a section a licence, a line a picture; the same rows give the same text in any order."""
    ordered = sorted(rows, key=lambda row: (row.licence, row.file))
    by_licence = {licence: list(group) for licence, group in groupby(ordered, lambda row: row.licence)}
    lines = [HEAD.format(manifest=source.as_posix()), "| Licence | Pictures |", "| --- | ---: |"]
    lines += [f"| {_cell(licence)} | {len(group)} |" for licence, group in by_licence.items()]
    for licence, group in by_licence.items():
        lines += ["", f"## {_cell(licence)}", ""]
        lines += ["| Picture | Author | Source | File in the source |", "| --- | --- | --- | --- |"]
        for row in group:
            cells = row.file, row.author, f"{row.source_package} {row.source_version}", row.source_path
            lines.append(f"| {' | '.join(map(_cell, cells))} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Keep a value from breaking out of its table cell or becoming markup."""
    return re.sub(r"([\\|`*_<\[])", r"\\\1", " ".join(text.split())) or "-"
