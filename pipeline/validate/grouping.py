"""Pictures that show the same thing: copies, near copies, frames of one burst and photos of one sitting.

They must not be parted by the split, and under two labels they contradict one another.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import radius_neighbors_graph

from pipeline.data.findings import Problem
from pipeline.data.manifest import is_known
from pipeline.data.split import SIDES, SplitSettings, first_of_component, merge_groups
from pipeline.validate.checks import Picture, ValidateSettings
from pipeline.validate.inspection import LOOK_SIDE, time_in_name

BLOCK = 512  # rows of a matrix of all pairs at a time: 40 MB for 10,000 pictures
MOST_NAMED = 4  # files in a message

Features = NDArray[np.float32]  # [pictures, features], rows of length 1, so that a product is a cosine
Sets = list[list[int]]  # of two or more indices, each ascending, in the order of their first


@dataclass(frozen=True)
class Grouping:
    """The group of each picture, the pictures that show the same, and what is wrong with both.

    Attributes:
        groups: as the split uses them.
        siblings: as they should be; differ from ``groups`` where a label had to be divided within a burst or sitting.
        alike: sets of near duplicates.
    """

    groups: list[str]
    siblings: list[str]
    alike: Sets
    problems: list[Problem]


def same(keys: Iterable[Hashable]) -> Sets:
    """Sets of the indices with equal ``keys``."""
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        members[key].append(index)
    return [indices for indices in members.values() if len(indices) > 1]


def similar(features: Features, similarity: float) -> Sets:
    """Sets of pictures the cosine of whose features is at least ``similarity``, directly or by a chain."""
    if not len(features):
        return []
    graph = radius_neighbors_graph(features, 1 - similarity, metric="cosine")
    return same(connected_components(graph, directed=False)[1].tolist())


def closest(features: Features, names: Sequence[Hashable], most: int) -> list[tuple[float, int, int]]:
    """The pairs of different names (labels, sides) that are most alike: cosine and two indices, most alike first."""
    number = np.unique([str(name) for name in names], return_inverse=True)[1]
    best: list[tuple[float, int, int]] = []
    for start in range(0, len(features), BLOCK):
        cosines = features[start : start + BLOCK] @ features.T
        rows = np.arange(start, start + len(cosines))[:, None]
        cosines[(number[rows] == number) | (rows >= np.arange(len(features)))] = -1
        for place in np.argpartition(cosines, -min(most, cosines.size), axis=None)[-most:]:
            row, column = divmod(int(place), len(features))
            best.append((float(cosines[row, column]), start + row, column))
        best = sorted((pair for pair in best if pair[0] > -1), key=lambda pair: (-pair[0], *pair[1:]))[:most]
    return best


def series(pictures: Sequence[Picture], features: Features, settings: SplitSettings) -> tuple[Sets, Sets]:
    """Pairs of photos that one camera took one after another: of one burst, and of one sitting.

    A burst is told by the clock, EXIF's or that of the file name. A sitting is looked for among the photos of which
    nobody has said where they are from or what they belong to: near in time, or without a time next to one another in
    the order of the file names (numbers in these by their value), and near in feature space, one thing seen twice.
    """

    def order(index: int) -> tuple[Any, ...]:
        picture = pictures[index]
        own = not is_known(picture.row) and picture.row.group.startswith("sha:")
        taken = picture.measures.taken if picture.measures.taken is not None else time_in_name(picture.file)
        parts = re.split(r"(\d+)", picture.file)
        name = [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
        return own, picture.measures.camera, taken is None, taken or 0, name

    bursts, sittings = [], []
    for one, other in pairwise(sorted(range(len(pictures)), key=order)):
        *kind, taken, _ = order(one)
        *its_kind, its_taken, _ = order(other)
        if kind != its_kind:
            continue
        own, _, untimed = kind
        if not untimed and its_taken - taken <= settings.burst_seconds:
            bursts.append([one, other])
        near = features[one] @ features[other] >= settings.sitting_similarity
        if own and near and its_taken - taken <= settings.sitting_seconds:
            sittings.append([one, other])
    return bursts, sittings


def group(
    pictures: Sequence[Picture],
    features: Features,
    settings: ValidateSettings,
    split: SplitSettings,
    exempt: Collection[str],
) -> Grouping:
    """Merge manifest groups, near duplicates, bursts and sittings.

    A label whose photos were all taken in one go is one burst or sitting and could not be divided at all. That is how
    a first try looks (a few photos of the mug on the desk), so it is divided within all but copies, with a warning: its
    figures will flatter. Labels in ``exempt`` may have as few groups as they like.
    """
    named, pixels = [picture.row.group for picture in pictures], [picture.measures.pixels for picture in pictures]
    equal = same(pixels)
    looks = np.array([[*bytes.fromhex(each.measures.look)] for each in pictures], np.float32).reshape(-1, LOOK_SIDE**2)
    copies = equal + similar(looks - looks.mean(axis=1, keepdims=True), settings.copy_correlation)
    near = [*copies, *similar(features, settings.near_duplicate_similarity)]
    alike = same(merge_groups([picture.file for picture in pictures], near))
    bursts, sittings = series(pictures, features, split)
    siblings = merge_groups(named, [*copies, *alike, *bursts, *sittings])
    short = {label for label, number in _count(pictures, siblings).items() if number < len(SIDES)} - {*exempt}

    def whole(takes: Sets) -> Sets:
        kept = [[index for index in take if pictures[index].label not in short] for take in takes]
        return [take for take in kept if len(take) > 1]

    sittings = whole(sittings)
    groups = merge_groups(named, [*copies, *whole(alike), *whole(bursts), *sittings])
    number = _count(pictures, groups)
    problems = [_together(pictures, indices, "label_conflict", "duplicate", "the same") for indices in equal]
    problems += [
        _together(pictures, indices, "near_label_conflict", "near_duplicate", "nearly the same")
        for indices in alike
        if len({pixels[index] for index in indices}) > 1  # else it is reported above
    ]
    for label in sorted(short):
        if number[label] >= len(SIDES):
            kind = "one_burst"
            message = (
                f"{label}/ was photographed in one go, so its photos are divided between training and test within it "
                "and its figures will flatter; add photos from another time and place"
            )
        else:
            kind = "too_few_groups"
            message = (
                f"{label}/ needs 3 independent groups of photos (to learn, to choose, to measure), it has "
                f"{number[label]}: near copies, and a group of the manifest, count once; add other photos"
            )
        problems.append(Problem(kind, (label,), message))
    for indices in same(first_of_component(len(pictures), sittings).tolist()):
        files = tuple(pictures[index].file for index in indices)
        message = (
            f"{_listed(files)} look like one thing photographed in one sitting and count as one group; where they are "
            "independent, name a group for each in the manifest"
        )
        problems.append(Problem("sitting", files, message))
    return Grouping(groups, siblings, alike, problems)


def _together(
    pictures: Sequence[Picture], indices: Sequence[int], conflict: str, repetition: str, what: str
) -> Problem:
    """Pictures that show the same: under one label they waste effort, under two they contradict."""
    files, labels = tuple(pictures[index].file for index in indices), sorted({pictures[i].label for i in indices})
    if len(labels) > 1:
        message = f"{what} picture under {' and '.join(labels)}: {_listed(files)}; keep the right one"
        return Problem(conflict, files, message)
    return Problem(repetition, files, f"{what} picture more than once: {_listed(files)}; one is enough")


def _listed(files: Sequence[str]) -> str:
    more = f" and {len(files) - MOST_NAMED} more" if len(files) > MOST_NAMED else ""
    return ", ".join(files[:MOST_NAMED]) + more


def _count(pictures: Sequence[Picture], groups: Sequence[str]) -> Counter[str]:
    """How many groups each label has."""
    return Counter(label for label, _ in {(each.label, name) for each, name in zip(pictures, groups, strict=True)})
