"""What validate finds wrong: one finding is one fault with its files and the way out."""

from dataclasses import dataclass
from typing import Literal, get_args

Severity = Literal["error", "warning", "ignore"]

Kind = Literal[
    # the manifest and the folders
    "manifest_unusable",
    "manifest_row",
    "illegal_name",
    "name_clash",
    "missing_row",
    "missing_file",
    "no_licence",
    "no_label",
    "stray_file",
    # a picture by itself
    "label_error",
    "unreadable",
    "not_a_picture",
    "unsupported_format",
    "damaged",
    "animated",
    "too_many_pixels",
    "tiny",
    "blurred",
    "dark",
    "bright",
    "flat",
    # pictures together
    "label_conflict",
    "near_label_conflict",
    "duplicate",
    "near_duplicate",
    # the set as a whole
    "too_few_pictures",
    "too_few_labels",
    "empty_label",
    "imbalance",
    "too_few_groups",
    "one_burst",
    "sitting",
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Problem:
    """A fault as it is found, before conf/validate/ says how grave it is. ``message`` names the way out."""

    kind: Kind
    files: tuple[str, ...]  # relative to the folder of the pictures; empty where the fault is the set's
    message: str


@dataclass(frozen=True)
class Finding(Problem):
    """A fault and how grave it is."""

    severity: Severity


def shown(name: str) -> str:
    """Spell a name so that any terminal, JSON or HTML can hold it: control characters and broken UTF-8
    escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode()
        for character in name
    )
