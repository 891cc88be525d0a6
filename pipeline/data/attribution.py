"""ATTRIBUTION.md: who made the pictures and under which licence, generated from the manifest."""

from collections import defaultdict
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
    """Write the page: a section a licence, a line a picture; the same rows give the same text in any
    order."""
    by_licence: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_licence[row.licence].append(row)
    parts = [HEAD.format(manifest=source.as_posix())]
    parts.append("| Licence | Pictures |\n| --- | ---: |\n" + "".join(
        f"| {_cell(licence)} | {len(group)} |\n" for licence, group in sorted(by_licence.items())
    ))  # fmt: skip
    for licence, group in sorted(by_licence.items()):
        lines = [
            f"| {_cell(row.file)} | {_cell(row.author)} "
            f"| {_cell(f'{row.source_package} {row.source_version}')} "
            f"| {_cell(row.source_path)} |\n"
            for row in sorted(group, key=lambda row: row.file)
        ]
        parts.append(
            f"## {_cell(licence)}\n\n"
            "| Picture | Author | Source | File in the source |\n| --- | --- | --- | --- |\n" + "".join(lines)
        )
    return "\n".join(parts)


def _cell(text: str) -> str:
    """Keep a value from breaking out of its table cell or becoming markup."""
    plain = " ".join(text.split()).replace("\\", "\\\\")
    for character in "|`*_<[":
        plain = plain.replace(character, f"\\{character}")
    return plain or "-"
