"""Connected components: what hangs together by ties, directly or through others."""

from collections import defaultdict
from collections.abc import Iterable


def connected(size: int, ties: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Sets of two or more of the indices 0 .. size - 1 that ``ties`` hold together, by their first."""
    parent = list(range(size))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for one, other in ties:
        low, high = sorted((root(one), root(other)))
        parent[high] = low
    members: dict[int, list[int]] = defaultdict(list)
    for index in range(size):
        members[root(index)].append(index)
    return [indices for indices in members.values() if len(indices) > 1]
