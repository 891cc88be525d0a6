"""Where photos come from, so that a model can be measured on sources that it has not seen."""

import re
from collections.abc import Sequence

from pipeline.data.manifest import OWN, Row

UNKNOWN = ""


def is_known(row: Row) -> bool:
    """Whether somebody wrote down where the photo is from."""
    return row.source_package not in ("", OWN) and row.kind != "captured"


def source_of(rows: Sequence[Row]) -> list[str]:
    """The source of each photo: the package that the manifest says it was taken from.

    Packages of one family are one source: where a package's name holds a version, what stands before it. So
    wesnoth-1.16-data and wesnoth-1.16-httt, drawn by the same hands for one game, are both wesnoth.

    Returns:
        One name a row; `UNKNOWN` for photos that a user added or took in the page, and for every photo where fewer than
        two sources are known, as none could then be left out. A caller takes the group of such a photo instead.
    """
    sources = [re.split(r"-\d", row.source_package)[0] if is_known(row) else UNKNOWN for row in rows]
    return sources if len({*sources} - {UNKNOWN}) > 1 else [UNKNOWN] * len(rows)
