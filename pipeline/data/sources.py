"""Where photos come from, so that a model can be measured on sources that it has not seen."""

from collections.abc import Sequence

from pipeline.data.manifest import OWN, Row

UNKNOWN = ""


def is_known(row: Row) -> bool:
    """Whether somebody wrote down where the photo is from."""
    return row.source_package not in ("", OWN) and row.kind != "captured"


def source_of(rows: Sequence[Row]) -> list[str]:
    """The source of each photo: the package that the manifest says it was taken from.

    Returns:
        One name a row; `UNKNOWN` for photos that a user added or took in the page, and for every photo where fewer than
        two sources are known, as none could then be left out. A caller takes the group of such a photo instead.
    """
    sources = [row.source_package if is_known(row) else UNKNOWN for row in rows]
    return sources if len({*sources} - {UNKNOWN}) > 1 else [UNKNOWN] * len(rows)
