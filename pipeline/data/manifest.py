"""The manifest: one row a picture: source, author, licence, and the group that it must not be parted from."""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path, PurePosixPath

from pipeline.core import files
from pipeline.core.errors import DataError
from pipeline.data.findings import Problem

OWN = "your photos"  # the source_package of photos that a user added
KINDS = ("real", "rendered", "captured")  # a photo or scan; made by a program; taken by the camera in the page
MAX_NAME = 100  # characters of a label; it becomes a folder, a table column and a word on the page


@dataclass(frozen=True)
class Row:
    """A row of the manifest; the order of the fields is that of the columns."""

    file: str  # relative to the folder of the pictures, with "/": label/name.jpg
    label: str
    group: str  # pictures of one group stay on one side of the split
    kind: str  # one of `KINDS`
    source_package: str
    source_version: str
    source_path: str
    author: str
    licence: str
    sha256_of_source: str
    notes: str


COLUMNS = tuple(field.name for field in fields(Row))


def read(path: Path) -> list[Row]:
    """Read a manifest in which nothing is wrong.

    Raises:
        DataError: lists everything that `examine` finds.
    """
    rows, problems = examine(path)
    if problems:
        raise DataError(f"{path} can't be used:\n" + "\n".join(f"  {problem.message}" for problem in problems))
    return rows


def write(path: Path, rows: Iterable[Row]) -> None:
    """Write the manifest atomically, in the order of ``rows``.

    Raises:
        StorageError: the disk is full or the folder can't be written; the old manifest is as it was.
    """
    files.write_csv(path, COLUMNS, map(astuple, rows), end="\r\n")  # as RFC 4180 and spreadsheets have it


def examine(path: Path) -> tuple[list[Row], list[Problem]]:
    """Read a manifest and collect everything that is wrong with it.

    Returns:
        The rows that can be used, in order, and the problems. A problem of kind ``manifest_unusable`` is
        about the file as a whole, and then there are no rows.
    """

    def unusable(why: str) -> tuple[list[Row], list[Problem]]:
        return [], [Problem("manifest_unusable", (), f"{path} {why}")]

    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets write a byte order mark
        header, *lines = list(csv.reader(io.StringIO(text, newline=""), strict=True)) or [[]]
    except FileNotFoundError:
        return unusable("is missing; `python -m pipeline.data adopt` makes one for the photos there")
    except OSError as error:
        return unusable(f"can't be read ({error.strerror}); check its permissions")
    except (csv.Error, UnicodeDecodeError) as error:
        return unusable(f"is no CSV in UTF-8 ({error}); export it again as CSV, UTF-8, comma-separated")
    if missing := [column for column in COLUMNS if column not in header]:
        return unusable(f"has no column {', '.join(missing)}; its first line must name {','.join(COLUMNS)}")
    if len(header) != len(COLUMNS):
        surplus = ", ".join(repr(column) for column in header if column not in COLUMNS) or "twice the same column"
        return unusable(f"has {surplus}, which would be lost when photos are adopted; move it to 'notes'")
    rows: dict[str, Row] = {}
    problems: list[Problem] = []
    for number, values in enumerate(lines, start=2):
        if not values:
            continue
        where = f"{path}, row {number}"
        if len(values) != len(header):
            message = f"{where}: {len(values)} values for {len(header)} columns; mend its commas"
            problems.append(Problem("manifest_row", (), message))
            continue
        row = Row(**dict(zip(header, values, strict=True)))
        kind, why = _fault(row)
        if not kind and normal(row.file) in rows:
            kind, why = "manifest_row", f"{row.file!r} is there twice; delete one of the rows"
        if kind:
            problems.append(Problem(kind, (row.file,), f"{where}: {why}"))
        if kind in ("", "no_licence"):
            rows.setdefault(normal(row.file), row)
    return list(rows.values()), problems


def _fault(row: Row) -> tuple[str, str]:
    """Kind and message of the first thing that is wrong with a row; empty where nothing is."""
    file = repr(row.file)
    if illegal := why_illegal(row.label) or why_illegal_path(row.file):
        return "illegal_name", f"label {row.label!r}, file {file}: {illegal}; rename it, and the row with it"
    if PurePosixPath(normal(row.file)).parts[0] != normal(row.label):
        return "manifest_row", f"{file} lies in another folder than that of {row.label!r}; correct one of them"
    if row.kind not in KINDS:
        return "manifest_row", f"kind {row.kind!r} of {file} is none of {', '.join(KINDS)}; correct it"
    if not row.group.strip():
        return "manifest_row", f"{file} has no group; give it one of its own, such as its file name"
    if not row.licence.strip():
        return "no_licence", f"{file} has no licence; write it down, or 'unknown' if nobody knows"
    return "", ""


def is_known(row: Row) -> bool:
    """Whether somebody wrote down where the photo is from."""
    return row.source_package not in ("", OWN) and row.kind != "captured"


def source_of(rows: Sequence[Row]) -> list[str]:
    """The source of each photo: the package that the manifest says it was taken from.

    Packages of one family are one source: where a package's name holds a version, what stands before it. So
    wesnoth-1.16-data and wesnoth-1.16-httt, drawn by the same hands for one game, are both wesnoth.

    Returns:
        One name a row; "" for photos that a user added or took in the page, and for every photo where fewer than two
        sources are known, as none could then be left out. A caller takes the group of such a photo instead.
    """
    sources = [re.split(r"-\d", row.source_package)[0] if is_known(row) else "" for row in rows]
    return sources if len({*sources} - {""}) > 1 else [""] * len(rows)


def normal(name: str) -> str:
    """Compose accents (NFC), so that a name from a Mac (NFD) equals the same name from elsewhere."""
    return unicodedata.normalize("NFC", name)


def why_illegal(name: str) -> str | None:
    """Say why ``name`` can't be the name of a label or a file; None if it can."""
    if not name or name != name.strip():
        return "a name must not be empty or begin or end with a space"
    if name.startswith("."):
        return "a name must not begin with a dot"
    if re.search(r"[/\\:]", name):
        return "a name must not hold / or \\ or :"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        return "a name must not hold control characters or broken UTF-8"
    if len(name) > MAX_NAME and "." not in name:
        return f"a name must not be longer than {MAX_NAME} characters"
    return None


def why_illegal_path(file: str) -> str | None:
    """Say why ``file`` can't be a picture's place in a label's folder; None if it can."""
    parts = file.split("/")
    if len(parts) < 2:
        return "a picture lies in the folder of its label: label/name.jpg"
    return next((reason for part in parts if (reason := why_illegal(part))), None)
