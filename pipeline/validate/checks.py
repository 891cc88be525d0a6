"""What is checked: the folders against the manifest, each picture by itself, the labels, the set as a whole."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator
from scipy.special import softmax
from sklearn.metrics import balanced_accuracy_score

from bundle.decode import MAX_PIXELS
from pipeline.core.config import Settings
from pipeline.data import manifest
from pipeline.data.findings import KINDS, Finding, Problem, Severity, shown
from pipeline.data.folder import Contents
from pipeline.data.manifest import Row, normal
from pipeline.models import crossval
from pipeline.validate.inspection import Measures

ADOPT = "`python -m pipeline.data adopt`"
SEED = 0  # of the folds in which labels are checked


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
    near_duplicate_similarity: float = Field(ge=-1, le=1)  # cosine of the pretrained features
    copy_correlation: float = Field(ge=-1, le=1)  # of the pictures at 16 x 16 grey values
    label_error_folds: int = Field(ge=2)  # the probabilities of a fold come from a head fitted on the others
    label_error_strength: float = Field(gt=0)  # inverse of that head's L2 penalty
    label_error_accuracy: float = Field(ge=0, le=1)  # balanced, out of fold: below it nothing is said
    thumbnail: int = Field(ge=32, le=256)  # pixels of the shorter side, in the report
    sheet_pictures: int = Field(ge=1)  # in all contact sheets together
    terminal_findings: int = Field(ge=1)  # of one kind on the terminal
    severity: dict[str, Severity]

    @field_validator("severity")
    @classmethod
    def _of_every_kind(cls, severity: dict[str, Severity]) -> dict[str, Severity]:
        if wrong := sorted(severity.keys() ^ KINDS.keys()):
            raise ValueError(f"{', '.join(wrong)}: unknown, or missing (error, warning or ignore)")
        return severity


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
        Finding(p.kind, tuple(map(shown, p.files)), shown(p.message), settings.severity[p.kind]) for p in problems
    ]
    order = list(KINDS)
    kept = [finding for finding in findings if finding.severity != "ignore"]
    return sorted(kept, key=lambda finding: (finding.severity != "error", order.index(finding.kind)))


def check_folders(contents: Contents, rows: Sequence[Row] | None) -> Iterator[Problem]:
    """Compare what lies in the folders with the manifest; ``rows`` is None where the manifest can't be read."""
    for label in contents.labels:
        if why := manifest.why_illegal(label):
            yield Problem("illegal_name", (label,), f"folder {label!r}: {why}; rename it")
        elif not any(file.startswith(f"{label}/") for file in contents.pictures):
            yield Problem("empty_label", (label,), f"{label}/ holds no picture; put some there or delete the folder")
    for file in contents.unsupported:
        yield Problem("unsupported_format", (file,), f"{file}: a format that is not taken; save it as JPEG or PNG")
    for file in contents.strays:
        yield Problem("stray_file", (file,), f"{file}: no picture, passed over; move it elsewhere")

    present: set[str] = set()
    registered = None if rows is None else {normal(row.file) for row in rows}
    for file in contents.pictures:
        key = normal(file)
        if "/" not in file:
            yield Problem("no_label", (file,), f"{file} lies beside the folders of the labels; move it into one")
        elif (why := manifest.why_illegal_path(file)) and not manifest.why_illegal(file.split("/")[0]):
            yield Problem("illegal_name", (file,), f"{file!r}: {why}; rename it")
        elif key in present:
            message = f"{file}: two files of this name, spelt in two ways (NFC and NFD); rename one of them"
            yield Problem("name_clash", (file,), message)
        elif registered is not None and key not in registered:
            yield Problem("missing_row", (file,), f"{file} has no row in the manifest; {ADOPT} adds it")
        present.add(key)
    for row in rows or ():
        if normal(row.file) not in present:
            message = f"{row.file} has a row but is not there; bring it back (`dvc checkout`) or run {ADOPT}"
            yield Problem("missing_file", (row.file,), message)


def check_picture(file: str, seen: Measures, settings: ValidateSettings) -> Iterator[Problem]:
    """Check whether there is something to be seen."""
    tiny, flat = min(seen.width, seen.height) < settings.min_side, seen.contrast < settings.flat_below
    blurred = seen.sharpness < settings.blurred_below and not tiny  # a tiny one is enlarged, and so blurred
    for kind, wrong, message in (
        ("tiny", tiny, f"only {seen.width} x {seen.height} pixels; use a larger copy"),
        ("flat", flat, "nothing to be seen but one colour; remove it"),
        ("blurred", blurred, f"blurred (sharpness {seen.sharpness:.2f}); keep it if the camera blurs as well"),
        ("dark", seen.bright_end < settings.dark_below, "underexposed; brighten it or take it again"),
        ("bright", seen.dark_end > settings.bright_above, "overexposed; take it again"),
    ):
        if wrong and (kind in ("tiny", "flat") or not flat):  # one colour is dark or bright, and blurred, as well
            yield Problem(kind, (file,), f"{file}: {message}")


def check_set(found: Mapping[str, Measures | Problem], ood_label: str, settings: ValidateSettings) -> Iterator[Problem]:
    """Check the numbers of pictures; ``found`` are the measures of each file, or why there are none."""
    labels: dict[str, list[str]] = defaultdict(list)
    for file, each in found.items():
        if (label := normal(file.split("/")[0])) != ood_label and "/" in file:
            labels[label] += [each.pixels] if isinstance(each, Measures) else []
    sizes = {label: len(set(pixels)) for label, pixels in sorted(labels.items())}
    if len(sizes) < 2:
        have = f"there is only {shown(next(iter(sizes)))!r}" if sizes else "there is none"
        message = f"a model needs two labels to tell apart, {have}; add a folder of photos for each label"
        yield Problem("too_few_labels", (), message)
    for label, size in sizes.items():
        if size < settings.min_pictures:
            copies = len(labels[label]) - size
            but = f" (copies: {copies})" if copies else ""
            message = f"{label}/ has {size} different pictures{but}, it needs {settings.min_pictures}; add photos"
            yield Problem("too_few_pictures", (label,), message)
    filled = sorted((size, label) for label, size in sizes.items() if size)
    if filled and filled[-1][0] > settings.imbalance * filled[0][0]:
        (size, small), (most, large) = filled[0], filled[-1]
        message = f"{large}/ has {most / size:.1f} times as many pictures as {small}/; add photos to {small}/"
        yield Problem("imbalance", (large, small), message)


@dataclass(frozen=True)
class Answers:
    """What heads make of pictures of whose groups they saw none: of those whose label has two groups or more."""

    used: NDArray[np.intp]  # indices of the pictures that are answered
    names: list[str]  # the labels, sorted
    targets: NDArray[np.intp]  # index of each one's own label [used]
    probabilities: NDArray[np.float64]  # [used, labels]

    @property
    def answers(self) -> NDArray[np.intp]:
        """Index of the most probable label of each [used]."""
        return np.asarray(self.probabilities.argmax(axis=1))

    def errors(self, accuracy: float) -> list[int]:
        """Places in ``used`` of likely label errors by confident learning, the least probable label first.

        C. G. Northcutt, L. Jiang, I. L. Chuang: Confident Learning: Estimating Uncertainty in Dataset Labels, JAIR 70
        (2021), by cleanlab 2.9, whose metadata and LICENSE file say Apache-2.0 (releases from 2.0 on were AGPL before).

        Args:
            accuracy: balanced; below it nothing is said, as every other picture would be named.
        """
        from cleanlab.filter import find_label_issues  # here, as it takes 0.7 s to import

        if balanced_accuracy_score(self.targets, self.answers) < accuracy:
            return []
        ranked = find_label_issues(
            self.targets, self.probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
        )
        return [int(i) for i in ranked if self.answers[i] != self.targets[i]]


def answer(
    labels: Sequence[str], features: NDArray[np.float32], groups: Sequence[str], settings: ValidateSettings
) -> Answers | None:
    """Have each picture answered out of fold; None where there are fewer than two labels of two groups.

    Args:
        features: of the pretrained backbone, [pictures, features].
        groups: pictures of one group are in one fold. Labels with a single group are left out.
    """
    number = Counter(label for label, _ in set(zip(labels, groups, strict=True)))
    used = [index for index, label in enumerate(labels) if number[label] > 1]
    names, targets = np.unique([labels[index] for index in used], return_inverse=True)
    if len(names) < 2:
        return None
    folds = crossval.grouped_folds([groups[index] for index in used], targets, settings.label_error_folds, SEED)
    logits = crossval.out_of_fold(features[used], targets, folds, len(names), settings.label_error_strength)
    return Answers(np.array(used), names.tolist(), targets, softmax(logits, axis=1))


def check_labels(
    files: Sequence[str],
    labels: Sequence[str],
    features: NDArray[np.float32],
    groups: Sequence[str],
    settings: ValidateSettings,
) -> Iterator[Problem]:
    """Find likely label errors, see `answer` and `Answers.errors`; the least probable label first."""
    seen = answer(labels, features, groups, settings)
    if not seen:
        return
    for i in seen.errors(settings.label_error_accuracy):
        file, own, other = files[seen.used[i]], seen.targets[i], seen.answers[i]
        label, rather, probabilities = seen.names[own], seen.names[other], seen.probabilities[i]
        message = (
            f"{file}: by the other pictures it is rather {rather} ({probabilities[other]:.0%}) than {label} "
            f"({probabilities[own]:.0%}); move it to {rather}/ if that is right"
        )
        yield Problem("label_error", (file,), message)
