"""Pictures that show the same thing: copies, near copies, frames of one burst and photos of one sitting."""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.components import first_of_component
from pipeline.validate.inspection import Measures

BLOCK = 512  # rows of a matrix of all pairs at a time: 40 MB for 10,000 pictures

Features = NDArray[np.float32]  # [pictures, features], rows of length 1, so that a product is a cosine


def same(keys: Sequence[Hashable]) -> list[list[int]]:
    """Sets of two or more indices with equal ``keys``, each ascending, in the order of their first."""
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        members[key].append(index)
    return [indices for indices in members.values() if len(indices) > 1]


def unit(rows: NDArray[np.float32]) -> Features:
    """Scale the rows to length 1; rows of nothing but zeros are taken for equal."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    blank = length[:, 0] < 1e-3
    scaled: Features = np.divide(rows, length, out=np.zeros_like(rows), where=length >= 1e-3)
    scaled[blank, :1] = 1
    return scaled


def near(pictures: Sequence[Measures], *, distance: int, correlation: float) -> list[list[int]]:
    """Sets of pictures that are near copies, directly or by a chain; exact copies are in them too.

    Two pictures are so if at most ``distance`` of the 64 bits of their perceptual hashes differ and their looks
    correlate by at least ``correlation``. The hash alone takes two pages of print, or two things on white, for one
    another as sets grow. Copies that were mirrored or cut it does not know: see `similar`.

    Returns:
        Sets of two or more indices, each ascending, in the order of their first.
    """
    if not pictures:
        return []
    hashes = np.array([picture.phash for picture in pictures], dtype=np.uint64)
    looks = np.array([list(picture.look) for picture in pictures], dtype=np.float32)
    looks = unit(looks - looks.mean(axis=1, keepdims=True))

    def alike(block: slice) -> NDArray[np.bool_]:
        close = np.bitwise_count(hashes[block, None] ^ hashes) <= distance
        close &= looks[block] @ looks.T >= correlation
        return np.asarray(close)

    return _clusters(len(pictures), alike)


def similar(features: Features, *, similarity: float) -> list[list[int]]:
    """Sets of pictures the cosine of whose features is at least ``similarity``, directly or by a chain."""
    return _clusters(len(features), lambda block: np.asarray(features[block] @ features.T >= similarity))


def _clusters(size: int, alike: Callable[[slice], NDArray[np.bool_]]) -> list[list[int]]:
    """Sets that hang together by ``alike``, which compares a block of rows with all: bool [block, size].

    Every pair is compared, as an index that avoids the square would not be noticed beside the decoding. What is known
    after a block is kept as one tie a picture, so that many frames of one scene need no more memory than many scenes.
    """
    first = np.arange(size)
    for start in range(0, size, BLOCK):
        block = slice(start, start + BLOCK)
        ones, others = np.nonzero(alike(block) & (first[block, None] != first))
        known = np.column_stack([np.arange(size), first])
        first = first_of_component(size, np.concatenate([known, np.column_stack([start + ones, others])]))
    return same(first.tolist())


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


def bursts(pictures: Sequence[Measures], *, seconds: float) -> list[tuple[int, int]]:
    """Pairs of indices of pictures that one camera took at most ``seconds`` after one another."""
    timed = sorted(
        (picture.camera, picture.taken, index) for index, picture in enumerate(pictures) if picture.taken is not None
    )
    return [(one[2], other[2]) for one, other in pairwise(timed) if one[0] == other[0] and other[1] - one[1] <= seconds]


def sittings(
    files: Sequence[str],
    pictures: Sequence[Measures],
    features: Features,
    *,
    seconds: float,
    similarity: float,
) -> list[tuple[int, int]]:
    """Pairs of indices of photos that follow one another and are near in feature space: one thing, seen twice.

    Args:
        files: their names; photos without a time follow one another in the order of the names, numbers in these by
            their value.
        seconds: photos with a time are taken at most so long after one another.
        similarity: least cosine of the features.
    """

    def order(index: int) -> tuple[Any, ...]:
        taken = pictures[index].taken
        parts = re.split(r"(\d+)", files[index])
        name = [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
        return pictures[index].camera, taken is None, taken or 0, name

    places = sorted(range(len(files)), key=order)
    pairs = []
    for one, other in pairwise(places):
        camera, untimed, taken, _ = order(one)
        its_camera, its_untimed, its_taken, _ = order(other)
        follow = (camera, untimed) == (its_camera, its_untimed) and its_taken - taken <= seconds
        if follow and features[one] @ features[other] >= similarity:
            pairs.append((one, other))
    return pairs
