"""Flags: what may be wrong with a photo, from its features and labels, and how much it matters.

Published tools' flags are confirmed by people about half of the time, so a flag only asks; nothing is changed by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from pipeline.models.head import Space
from pipeline.validate import checks
from pipeline.validate.checks import Answers, ValidateSettings

FlagKind = Literal["wrong", "near-duplicate", "label-error", "outlier", "blurred", "unlicensed"]
NEIGHBOURS = 20  # of which the mean similarity is how typical a photo is (Hacohen et al. 2022)
UNCLEAR, PERHAPS = 0.3, "perhaps"  # disagreement that is no likely label error weighs so much less, and is called so
SURE = 3.0  # times as probable as its own label is another one where heads disagree clearly: finds more of many errors
SIMILAR = 0.92  # cosine of near duplicates; validate, which merges without asking, wants more,
UNCERTAIN = 0.5  # and below its limit a pair weighs so much less: half of them are pages of print
OWN = 5  # nearest photos of its own label that an outlier is far from
FAR = 4.0  # robust standard deviations below the label's median similarity that make an outlier
FEW = 12  # photos of a label below which nothing is called an outlier
BLOCK = 512  # rows of the matrix of all pairs at a time: 20 MB for 10,000 photos
# How much a flag matters, 0 to 1, where no probability says it.
ACROSS_LABELS, ACROSS_SIDES, WITHIN, OUTLIER, BLURRED, UNLICENSED = 0.95, 0.9, 0.6, 0.2, 0.15, 0.1


@dataclass(frozen=True)
class Flag:
    """One reason to look at a photo."""

    kind: FlagKind
    said: str
    weight: float  # 0 to 1
    other: int | None = None  # index of the photo that it is a duplicate of


@dataclass(frozen=True)
class Set:
    """Photos in the order of the manifest, and what is known about each."""

    files: Sequence[str]
    labels: Sequence[str]
    named: Sequence[str]  # groups that somebody gave, in the manifest
    groups: Sequence[str]  # with those that validate has merged
    sides: Sequence[str]  # of the split
    features: NDArray[np.float32]  # [photos, features], rows of length 1


@dataclass(frozen=True)
class Judgement:
    """The flags of each photo, by its index, and what the other photos make of it."""

    flags: dict[int, list[Flag]] = field(default_factory=dict)
    answers: Answers | None = None
    similar: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # [photos], see `typicality`, sorted


@dataclass(frozen=True)
class Near:
    """The most similar photos of each that nobody has put into one group with it.

    Attributes:
        cosines: [photos, NEIGHBOURS], falling; -1 where there are not so many.
        indices: of these photos.
        own: mean cosine to the nearest `OWN` of its own label [photos].
    """

    cosines: NDArray[np.float32]
    indices: NDArray[np.intp]
    own: NDArray[np.float64]


def judge(photos: Set, settings: ValidateSettings) -> Judgement:
    """Find label errors, near duplicates and outliers."""
    if len(photos.files) < 2:
        return Judgement()
    near = neighbours(photos)
    similar = near.cosines.mean(1).astype(np.float64)
    typical = typicality(similar, np.sort(similar))
    answers = checks.answer(photos.labels, photos.features, photos.groups, settings)
    flags: dict[int, list[Flag]] = {}
    for index, flag in (
        *label_errors(answers, typical, settings),
        *near_duplicates(photos, near, answers, settings.near_duplicate_similarity),
        *outliers(photos, near),
    ):
        flags.setdefault(index, []).append(flag)
    return Judgement(flags, answers, np.sort(similar))


def neighbours(photos: Set) -> Near:
    """Compare all photos with all, block by block."""
    n = len(photos.files)
    label, group = (np.unique(list(names), return_inverse=True)[1] for names in (photos.labels, photos.named))
    most = min(NEIGHBOURS, n)
    cosines, indices = np.empty((n, most), np.float32), np.empty((n, most), np.intp)
    own = np.empty(n)
    for start in range(0, n, BLOCK):
        block = photos.features[start : start + BLOCK] @ photos.features.T
        rows = slice(start, start + len(block))
        block[group[rows][:, None] == group] = -1  # the photo itself as well
        place = np.argpartition(block, -most, axis=1)[:, -most:]
        order = np.argsort(-np.take_along_axis(block, place, 1), axis=1, kind="stable")
        indices[rows] = np.take_along_axis(place, order, 1)
        cosines[rows] = np.take_along_axis(block, indices[rows], 1)
        block[label[rows][:, None] != label] = -1
        nearest = np.partition(block, -min(OWN, n), axis=1)[:, -min(OWN, n) :]
        known = nearest > -1
        own[rows] = np.where(known, nearest, 0).sum(1) / np.maximum(known.sum(1), 1)
        own[rows][~known.any(1)] = np.nan
    return Near(cosines, indices, own)


def typicality(similar: NDArray[np.float64], of_all: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many photos are like a photo, as a rank, 0 to 1.

    G. Hacohen, A. Dekel, D. Weinshall: Active Learning on a Budget: Opposite Strategies Suit High and Low Budgets,
    ICML 2022: with few labels it is the typical examples that teach.

    Args:
        similar: mean similarity of each to the `NEIGHBOURS` nearest photos.
        of_all: the same of all the photos, sorted.
    """
    return np.asarray(np.searchsorted(of_all, similar) / max(len(of_all) - 1, 1)).clip(0, 1)


def weigh_sent(
    photos: Set, judgement: Judgement, sent: NDArray[np.float32], labels: Sequence[str], strength: float
) -> list[tuple[float, dict[str, float]]]:
    """Disagreement x typicality of pictures that were sent in, and what a head of all the photos makes of each.

    Args:
        photos: there are two labels at least.
        judgement: of the photos.
        sent: features of the pictures, rows of length 1.
        labels: what they should be.
        strength: of the head, as that of the out-of-fold ones.
    """
    names, targets = np.unique(list(photos.labels), return_inverse=True)
    head = Space(photos.features).fitted(targets, len(names), strength)
    probabilities = softmax(head.logits(sent), axis=1)
    cosines = np.sort(sent @ photos.features.T, axis=1)[:, -NEIGHBOURS:].mean(1).astype(np.float64)
    found = []
    for label, each, typical in zip(labels, probabilities, typicality(cosines, judgement.similar), strict=True):
        known = dict(zip(names.tolist(), each.tolist(), strict=True))
        found.append((weigh(1 - known.get(label, 0.0), float(typical)), known))
    return found


def label_errors(
    answers: Answers | None, typical: NDArray[np.float64], settings: ValidateSettings
) -> list[tuple[int, Flag]]:
    """Label errors; their weight is disagreement x typicality.

    Likely ones come from confident learning, and where another label is clearly more probable. Where many labels of one
    kind are wrong it finds half of them only, so all other disagreement follows at the end of the queue.
    """
    if not answers:
        return []
    found = []
    own_probability = answers.probabilities[np.arange(len(answers.targets)), answers.targets]
    most = answers.probabilities.max(1)
    if not (likely := answers.errors(settings.label_error_accuracy)):
        return []  # none, or the features don't tell the labels apart
    clear = {*likely, *np.flatnonzero(most >= SURE * own_probability).tolist()}
    for i in np.flatnonzero(answers.answers != answers.targets).tolist():
        own, other = answers.targets[i], answers.answers[i]
        index, probabilities = int(answers.used[i]), answers.probabilities[i]
        weight = weigh(1 - float(probabilities[own]), float(typical[index]))
        said = (
            f"by the other photos it is rather {answers.names[other]} ({probabilities[other]:.0%}) "
            f"than {answers.names[own]} ({probabilities[own]:.0%})"
        )
        if i not in clear:
            weight, said = weight * UNCLEAR, f"{PERHAPS}: {said}"
        found.append((index, Flag("label-error", said, weight)))
    return found


def weigh(disagreement: float, typical: float) -> float:
    """Disagreement x typicality; the least typical photo still counts half."""
    return disagreement * (1 + typical) / 2


def near_duplicates(photos: Set, near: Near, answers: Answers | None, certain: float) -> list[tuple[int, Flag]]:
    """Pairs that nobody has put into one group: the flag is on the photo that is labelled less well, or came later."""
    doubt = np.zeros(len(photos.files))
    if answers:
        doubt[answers.used] = 1 - answers.probabilities[np.arange(len(answers.used)), answers.targets]
    pairs: dict[int, tuple[float, int]] = {}
    for one, column in zip(*np.nonzero(near.cosines >= SIMILAR), strict=True):
        other, cosine = int(near.indices[one, column]), float(near.cosines[one, column])
        if photos.labels[one] == photos.labels[other]:
            first, second = sorted((int(one), other))
        else:
            first, second = sorted((int(one), other), key=lambda index: (doubt[index], index))
        pairs[second] = max(pairs.get(second, (-1.0, 0)), (cosine, first))
    found = []
    for index, (cosine, other) in pairs.items():
        labels, sides = ({names[index], names[other]} for names in (photos.labels, photos.sides))
        if len(labels) > 1:
            where, weight = f", which is labelled {photos.labels[other]}", ACROSS_LABELS
        elif len(sides) > 1:
            where, weight = f", on the other side of the split ({photos.sides[other]})", ACROSS_SIDES
        else:
            where, weight = "", WITHIN
        if cosine < certain:
            weight *= UNCERTAIN
        said = f"nearly the same as {photos.files[other]}{where} (similarity {cosine:.2f})"
        found.append((index, Flag("near-duplicate", said, weight, other)))
    return found


def outliers(photos: Set, near: Near) -> list[tuple[int, Flag]]:
    """Photos that are far from all others of their label."""
    found = []
    labels = np.array(photos.labels)
    for label in sorted(set(photos.labels)):
        own = np.flatnonzero((labels == label) & np.isfinite(near.own))
        if len(own) < FEW:
            continue
        middle = np.median(near.own[own])
        spread = 1.4826 * np.median(np.abs(near.own[own] - middle)) or np.inf
        for index in own[near.own[own] < middle - FAR * spread]:
            said = f"unlike the other photos of {label} (similarity {near.own[index]:.2f}, usually {middle:.2f})"
            found.append((int(index), Flag("outlier", said, OUTLIER)))
    return found
