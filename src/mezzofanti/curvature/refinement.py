"""How a simplex is cut in 2**n: at the middles of its edges, by tables that keep every angle from degenerating."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["EDGES", "children"]

Integers = NDArray[np.int64]

# Which corners each edge joins; in the plane the edges go round.
EDGES = {
    1: np.array([(0, 1)]),
    2: np.array([(0, 1), (1, 2), (2, 0)]),
    3: np.array([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]),
}

# Corners are numbered first, then the middles of the edges above. The inner octahedron of a tetrahedron is cut along
# the diagonal between the middles of edges 02 and 13 (J. Bey, Computing 55, 1995): at most three shapes ever occur.
_CHILDREN = {
    1: np.array([(0, 2), (2, 1)]),
    2: np.array([(0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5)]),
    3: np.array(
        [
            (0, 4, 5, 6),
            (4, 1, 7, 8),
            (5, 7, 2, 9),
            (6, 8, 9, 3),
            (4, 5, 6, 8),
            (4, 5, 7, 8),
            (5, 6, 8, 9),
            (5, 7, 8, 9),
        ]
    ),
}


def children(simplices: Integers, middles: Integers) -> Integers:
    """Return the simplices (2**n T, n + 1) that T are cut into; `middles` (T, edges) are the new nodes."""
    local = np.hstack([simplices, middles])
    return np.vstack([local[:, child] for child in _CHILDREN[simplices.shape[1] - 1]])
