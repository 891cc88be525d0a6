"""Connected components: what hangs together by ties, directly or through others."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def first_of_component(size: int, ties: Any) -> NDArray[np.intp]:
    """For each of the indices 0 .. size - 1 the lowest that ``ties``, pairs of indices, hold it together with."""
    ones, others = np.asarray(ties, np.intp).reshape(-1, 2).T
    graph = coo_array((np.ones(len(ones), np.bool_), (ones, others)), shape=(size, size))
    _, number = connected_components(graph, directed=False)
    first: NDArray[np.intp] = np.unique(number, return_index=True)[1][number]
    return first
