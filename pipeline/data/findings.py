"""What validate finds wrong: one finding is one fault with its files and the way out."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "ignore"]

# Every kind of fault, in the order of the reports, and what it is called there.
KINDS = {
    # the manifest and the folders
    "manifest_unusable": "the manifest can't be used",
    "manifest_row": "rows of the manifest that are wrong",
    "illegal_name": "names that can't be used",
    "name_clash": "names that clash",
    "missing_row": "pictures without a row in the manifest",
    "missing_file": "rows without a picture",
    "no_licence": "pictures without a licence",
    "no_label": "pictures outside the folders of the labels",
    "stray_file": "files that are no pictures",
    # a picture by itself
    "label_error": "pictures that look as if they belong under another label",
    "unreadable": "files that can't be read",
    "not_a_picture": "files that are no picture of a format that is taken",
    "unsupported_format": "pictures of a format that is not taken",
    "damaged": "damaged pictures",
    "animated": "animated pictures",
    "too_many_pixels": "pictures with too many pixels",
    "tiny": "tiny pictures",
    "blurred": "blurred pictures",
    "dark": "underexposed pictures",
    "bright": "overexposed pictures",
    "flat": "pictures of one colour",
    # pictures together
    "label_conflict": "same picture under two labels",
    "near_label_conflict": "nearly the same picture under two labels",
    "duplicate": "same picture more than once",
    "near_duplicate": "nearly the same picture more than once",
    # the set as a whole
    "too_few_pictures": "labels with too few pictures",
    "too_few_labels": "too few labels",
    "empty_label": "labels without a picture",
    "imbalance": "labels out of balance",
    "too_few_groups": "labels with too few independent pictures",
    "one_burst": "labels photographed in one go",
    "sitting": "photos of one sitting",
}


@dataclass(frozen=True)
class Problem:
    """A fault as it is found, before conf/validate/ says how grave it is. ``message`` names the way out."""

    kind: str  # of `KINDS`
    files: tuple[str, ...]  # relative to the folder of the pictures; empty where the fault is the set's
    message: str


@dataclass(frozen=True)
class Finding(Problem):
    """A fault and how grave it is."""

    severity: Severity


def shown(name: str) -> str:
    """Spell a name so that any terminal, JSON or HTML can hold it: control characters and broken UTF-8 escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in name
    )
