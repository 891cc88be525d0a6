"""Pictures that show the same thing: copies, near copies, and frames of one burst."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.data.components import connected
from pipeline.validate.inspection import Measures

BLOCK = 512  # rows of the distance matrix at a time: 40 MB for 10,000 pictures


def same(keys: Sequence[str | int]) -> list[list[int]]:
    """Sets of two or more indices with equal ``keys``, each ascending, in the order of their first."""
    members: dict[str | int, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        members[key].append(index)
    return [indices for indices in members.values() if len(indices) > 1]


def near(pictures: Sequence[Measures], *, distance: int, correlation: float) -> list[list[int]]:
    """Sets of pictures that look alike, directly or by a chain; exact copies are in them too.

    Two pictures look alike if at most ``distance`` of the 64 bits of their perceptual hashes differ and their
    looks correlate by at least ``correlation``. The hash alone takes two pages of print, or two things on
    white, for one another as sets grow.

    Every pair of distinct hashes is compared, by XOR and a count of bits in blocks: 0.2 s for 10,000
    pictures, which take a minute to decode, so an index that avoids the square would not be noticed.

    Returns:
        Sets of two or more indices, each ascending, in the order of their first.
    """
    if not pictures:
        return []
    hashes = np.array([picture.phash for picture in pictures], dtype=np.uint64)
    looks = _standardised(np.array([list(picture.look) for picture in pictures], dtype=np.float32))
    distinct, first, number = np.unique(hashes, return_index=True, return_inverse=True)

    # Each picture bears the index of some picture of its set. Equal hashes are tied to their first, and a row
    # of the matrix is looked at only where it joins sets, so that many frames of one scene cost no more than
    # many scenes.
    bears = np.arange(len(hashes))
    rest = np.flatnonzero(first[number] != bears)
    alike = np.einsum("ij,ij->i", looks[rest], looks[first[number[rest]]]) >= correlation
    bears[rest[alike]] = first[number[rest[alike]]]
    for start in range(0, len(distinct), BLOCK):
        block = distinct[start : start + BLOCK]
        close = np.bitwise_count(block[:, None] ^ distinct[None, start:]) <= distance
        close &= np.arange(len(block))[:, None] < np.arange(close.shape[1])[None]  # each pair once
        rows, columns = np.flatnonzero(close.any(axis=1)), np.flatnonzero(close.any(axis=0))
        ones, others = first[start + rows], first[start + columns]
        close = close[np.ix_(rows, columns)] & (looks[ones] @ looks[others].T >= correlation)
        for one, its in zip(ones, close, strict=True):
            joined = bears[others[its]]
            if (joined != bears[one]).any():
                joined = np.unique(np.append(joined, bears[one]))
                bears[np.isin(bears, joined)] = joined[0]
    return same(bears.tolist())


def _standardised(looks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of mean 0 and length 1, so that a product is a correlation; one-coloured pictures are alike if
    equally grey."""
    centred = looks - looks.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    flat = length[:, 0] < 1e-3
    centred[flat] = 0
    centred[flat, 0] = 1
    length[flat] = 1
    standardised: NDArray[np.float32] = centred / length
    return standardised


def bursts(pictures: Sequence[Measures], *, seconds: float) -> list[list[int]]:
    """Sets of pictures that one camera took at most ``seconds`` after one another.

    Returns:
        Sets of two or more indices, each ascending, in the order of their first. Pictures without a time are
        in none.
    """
    timed = sorted(
        (picture.camera, picture.taken, index)
        for index, picture in enumerate(pictures)
        if picture.taken is not None
    )
    ties = [
        (one[2], other[2])
        for one, other in pairwise(timed)
        if one[0] == other[0] and other[1] - one[1] <= seconds
    ]
    return connected(len(pictures), ties)
