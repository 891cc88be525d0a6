"""What is checked: the folders against the manifest, each picture by itself, the pictures together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field, model_validator

from bundle.decode import MAX_PIXELS
from pipeline.core.config import Settings
from pipeline.data import manifest
from pipeline.data.findings import KINDS, Finding, Kind, Problem, Severity, shown
from pipeline.data.folder import Contents
from pipeline.data.manifest import Row, normal
from pipeline.validate import duplicates, label_errors
from pipeline.validate.duplicates import Features
from pipeline.validate.inspection import Inspection, Measures

ADOPT = "`python -m pipeline.data adopt`"
MOST_SHOWN = 4  # files that a message names


class ValidateSettings(Settings):
    """conf/validate/: every threshold, and for each kind of finding how grave it is."""

    min_pictures: int = Field(ge=3)  # different pictures that a label needs
    imbalance: float = Field(ge=1)  # times that the largest label may be larger than the smallest
    max_pixels: int = Field(ge=10_000, le=MAX_PIXELS)  # width x height; training and service take no more
    min_side: int = Field(ge=1)  # pixels of the shorter side
    blurred_below: float = Field(ge=0)  # sharpness: Measures.sharpness
    dark_below: int = Field(ge=0, le=255)  # grey value that 5 % of the pixels should exceed
    bright_above: int = Field(ge=0, le=255)  # grey value that 1 % of the pixels should stay below
    flat_below: float = Field(ge=0)  # standard deviation of the grey values
    near_duplicate_distance: int = Field(ge=0, le=20)  # bits of 64 in which perceptual hashes may differ
    near_duplicate_correlation: float = Field(ge=0, le=1)  # of the pictures at 16 x 16 grey values
    near_duplicate_similarity: float = Field(ge=-1, le=1)  # cosine of the pretrained features
    label_error_folds: int = Field(ge=2)  # the probabilities of a fold come from a head fitted on the others
    label_error_strength: float = Field(gt=0)  # inverse of that head's L2 penalty
    label_error_accuracy: float = Field(ge=0, le=1)  # balanced, out of fold: below it nothing is said
    thumbnail: int = Field(ge=32, le=256)  # pixels of the shorter side, in the report
    sheet_pictures: int = Field(ge=1)  # in all contact sheets together
    terminal_findings: int = Field(ge=1)  # of one kind on the terminal
    severity: dict[Kind, Severity]

    @model_validator(mode="after")
    def _every_kind_has_a_severity(self) -> "ValidateSettings":
        missing = [kind for kind in KINDS if kind not in self.severity]
        if missing:
            raise ValueError(f"severity of {', '.join(missing)} is missing (error, warning or ignore)")
        return self


@dataclass(frozen=True)
class Picture:
    """A picture that can be used: it decodes and has a row."""

    file: str  # as spelt on the disk
    row: Row
    measures: Measures

    @property
    def label(self) -> str:
        return normal(self.row.label)


def judge(problems: Sequence[Problem], settings: ValidateSettings) -> list[Finding]:
    """Give each problem its severity, leave out what is ignored, and put errors first, by kind, else as found."""
    findings = [
        Finding(p.kind, tuple(map(shown, p.files)), shown(p.message), settings.severity[p.kind])
        for p in problems
        if settings.severity[p.kind] != "ignore"
    ]
    return sorted(findings, key=lambda f: (f.severity != "error", KINDS.index(f.kind)))


def check_folders(contents: Contents, rows: Sequence[Row] | None) -> Iterator[Problem]:
    """Compare what lies in the folders with the manifest; ``rows`` is None where the manifest can't be
    read."""
    for label in contents.labels:
        inside = f"{label}/"
        if why := manifest.why_illegal(label):
            yield Problem("illegal_name", (label,), f"folder {label!r}: {why}; rename it")
        elif not any(file.startswith(inside) for file in contents.pictures):
            yield Problem("empty_label", (label,), f"{label}/ holds no picture; put some there or delete the folder")
    for file in contents.unsupported:
        yield Problem("unsupported_format", (file,), f"{file}: a format that is not taken; save it as JPEG or PNG")
    for file in contents.strays:
        yield Problem("stray_file", (file,), f"{file}: no picture, passed over; move it elsewhere")

    keys: dict[str, str] = {}
    registered = None if rows is None else {normal(row.file) for row in rows}
    for file in contents.pictures:
        key = normal(file)
        if "/" not in file:
            yield Problem("no_label", (file,), f"{file} lies beside the folders of the labels; move it into one")
        elif (why := manifest.why_illegal_path(file)) and not manifest.why_illegal(file.split("/")[0]):
            yield Problem("illegal_name", (file,), f"{file!r}: {why}; rename it")
        elif key in keys:
            message = f"{file}: two files of this name, spelt in two ways (NFC and NFD); rename one of them"
            yield Problem("name_clash", (file,), message)
        elif registered is not None and key not in registered:
            yield Problem("missing_row", (file,), f"{file} has no row in the manifest; {ADOPT} adds it")
        keys.setdefault(key, file)
    for row in rows or ():
        if normal(row.file) not in keys:
            message = f"{row.file} has a row but is not there; bring it back (`dvc checkout`) or run {ADOPT}"
            yield Problem("missing_file", (row.file,), message)


def check_pictures(inspections: Sequence[Inspection], settings: ValidateSettings) -> Iterator[Problem]:
    """Check each picture by itself: can it be decoded, is there something to be seen."""
    for inspection in inspections:
        file, measures = inspection.file, inspection.measures
        if inspection.problem is not None:
            kind, message = inspection.problem
            yield Problem(kind, (file,), f"{file}: {message}; or remove it and run {ADOPT}")
        if measures is None:
            continue
        if min(measures.width, measures.height) < settings.min_side:
            size = f"{measures.width} x {measures.height} pixels"
            yield Problem("tiny", (file,), f"{file}: only {size}; use a larger copy")
        if measures.contrast < settings.flat_below:
            yield Problem("flat", (file,), f"{file}: nothing to be seen but one colour; remove it")
            continue  # it would be dark or bright, and blurred, as well
        if measures.sharpness < settings.blurred_below:
            message = f"{file}: blurred (sharpness {measures.sharpness:.2f}); keep it if the camera blurs as well"
            yield Problem("blurred", (file,), message)
        if measures.bright_end < settings.dark_below:
            yield Problem("dark", (file,), f"{file}: underexposed; brighten it or take it again")
        if measures.dark_end > settings.bright_above:
            yield Problem("bright", (file,), f"{file}: overexposed; take it again")


@dataclass(frozen=True)
class Likeness:
    """Sets of pictures that show the same, as indices into the pictures that were compared."""

    same: list[list[int]]  # equal in every pixel
    near: list[list[int]]  # near copies, equal ones included
    similar: list[list[int]]  # alike to the pretrained network, of no set of ``near``


def likeness(pictures: Sequence[Measures], features: Features, settings: ValidateSettings) -> Likeness:
    """Find the pictures that are equal or alike."""
    near = duplicates.near(
        pictures,
        distance=settings.near_duplicate_distance,
        correlation=settings.near_duplicate_correlation,
    )
    similar = duplicates.similar(features, similarity=settings.near_duplicate_similarity)
    return Likeness(
        duplicates.same([picture.pixels for picture in pictures]),
        near,
        [members for members in similar if not any({*members} <= {*copies} for copies in near)],
    )


def listed(files: Sequence[str]) -> str:
    """The first of the files, and how many there are besides."""
    more = f" and {len(files) - MOST_SHOWN} more" if len(files) > MOST_SHOWN else ""
    return ", ".join(files[:MOST_SHOWN]) + more


def check_labels(
    pictures: Sequence[Picture], features: Features, groups: Sequence[str], settings: ValidateSettings
) -> Iterator[Problem]:
    """Check whether each picture looks like its label, by what the others teach; see `label_errors`."""
    found = label_errors.find(
        features,
        [picture.label for picture in pictures],
        groups,
        folds=settings.label_error_folds,
        strength=settings.label_error_strength,
        accuracy=settings.label_error_accuracy,
    )
    for each in found:
        picture = pictures[each.index]
        message = (
            f"{picture.file}: by the other pictures it is rather {each.other} ({each.other_probability:.0%}) than "
            f"{picture.label} ({each.probability:.0%}); move it to {each.other}/ if that is right"
        )
        yield Problem("label_error", (picture.file,), message)


def check_together(files: Sequence[str], pixels: Sequence[str], found: Likeness) -> Iterator[Problem]:
    """Check the pictures that show the same: under one label they waste effort, under two they contradict.

    Args:
        files: names of the pictures that were compared.
        pixels: `Measures.pixels` of each.
        found: what `likeness` found among them.
    """

    def problem(conflict: Kind, repetition: Kind, indices: Sequence[int], what: str) -> Problem:
        members = tuple(files[index] for index in indices)
        labels = sorted({normal(file.split("/")[0]) for file in members})
        if len(labels) > 1:
            message = f"{what} under {' and '.join(labels)}: {listed(members)}; keep the right one"
            return Problem(conflict, members, message)
        return Problem(repetition, members, f"{what} more than once: {listed(members)}; one is enough")

    for indices in found.same:
        yield problem("label_conflict", "duplicate", indices, "the same picture")
    for indices in found.near:
        if len({pixels[index] for index in indices}) > 1:  # else it is reported above
            yield problem("near_label_conflict", "near_duplicate", indices, "nearly the same picture")
    for indices in found.similar:
        yield problem("near_label_conflict", "near_duplicate", indices, "much the same, cut or mirrored or moved,")


def check_set(labels: dict[str, list[str]], ood_label: str, settings: ValidateSettings) -> Iterator[Problem]:
    """Check the set as a whole.

    Args:
        labels: see `by_label`.
    """
    sizes = {label: len(set(pixels)) for label, pixels in labels.items() if label != ood_label}
    if len(sizes) < 2:
        have = f"there is only {shown(next(iter(sizes)))!r}" if sizes else "there is none"
        message = f"a model needs two labels to tell apart, {have}; add a folder of photos for each label"
        yield Problem("too_few_labels", (), message)
    for label, size in sorted(sizes.items()):
        if size < settings.min_pictures:
            copies = len(labels[label]) - size
            but = f" (copies: {copies})" if copies else ""
            message = f"{label}/ has {size} different pictures{but}, it needs {settings.min_pictures}; add photos"
            yield Problem("too_few_pictures", (label,), message)
    filled = {label: size for label, size in sizes.items() if size}
    if len(filled) > 1:
        small, large = min(filled, key=lambda x: (filled[x], x)), max(filled, key=lambda x: (filled[x], x))
        if filled[large] > settings.imbalance * filled[small]:
            times = filled[large] / filled[small]
            message = f"{large}/ has {times:.1f} times as many pictures as {small}/; add photos to {small}/"
            yield Problem("imbalance", (large, small), message)


def by_label(inspections: Sequence[Inspection]) -> dict[str, list[str]]:
    """For each label that has pictures the pixel hashes of those that decode."""
    found: dict[str, list[str]] = {}
    for inspection in inspections:
        if "/" in inspection.file:
            members = found.setdefault(normal(inspection.file.split("/")[0]), [])
            if inspection.measures is not None:
                members.append(inspection.measures.pixels)
    return found


def pair(inspections: Sequence[Inspection], rows: Sequence[Row]) -> list[Picture]:
    """The pictures that can be used, in the order of the manifest."""
    measured = {
        normal(inspection.file): inspection for inspection in reversed(inspections) if inspection.measures is not None
    }
    return [
        Picture(found.file, row, found.measures)
        for row in rows
        if (found := measured.get(normal(row.file))) is not None and found.measures is not None
    ]
