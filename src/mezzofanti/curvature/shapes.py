"""Points and simplices of simple domains: grids of intervals, rectangles and boxes, a hexagon, an octahedron.

Every simplex of a grid is a monotone path through a cell (Kuhn 1960): cutting it as `refinement.py` does gives the
grid of half the spacing again.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mezzofanti.errors import ConfigurationError

__all__ = [
    "bend_hexagon",
    "bend_octahedron",
    "coarsest",
    "grid",
    "hexagon",
    "intervals_and_cells",
    "octahedron",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

COARSEST = 4  # A grid's cells are halved in number down to this many to build the coarser meshes.


def grid(axes: Sequence[Floats]) -> tuple[Floats, Integers]:
    """Return points (N, n), the last coordinate running fastest, and simplices (T, n + 1) of a grid."""
    dimension = len(axes)
    points = np.stack([x.ravel() for x in np.meshgrid(*axes, indexing="ij")], axis=1)
    counts = [len(axis) for axis in axes]
    strides = np.array([int(np.prod(counts[k + 1 :])) for k in range(dimension)])
    origin = sum(
        stride * index
        for stride, index in zip(strides, np.indices([count - 1 for count in counts]), strict=True)
    )
    paths = [np.cumsum([0, *strides[list(way)]]) for way in itertools.permutations(range(dimension))]
    simplices = np.vstack([np.asarray(origin).ravel()[:, None] + path for path in paths])
    return points, simplices.astype(np.int64)


def intervals_and_cells(
    intervals: Sequence[Sequence[float]], cells: int | Sequence[int]
) -> tuple[list[tuple[float, float]], list[int]]:
    """Return pairs and counts. Raises ConfigurationError for empty intervals and for no cells."""
    counts = [cells] * len(intervals) if isinstance(cells, int) else list(cells)
    pairs = [(float(interval[0]), float(interval[1])) for interval in intervals if len(interval) == 2]
    right = len(pairs) == len(intervals) == len(counts) and all(count >= 1 for count in counts)
    if not (right and np.isfinite(pairs).all() and all(low < high for low, high in pairs)):
        shown = " x ".join(str(tuple(interval)) for interval in intervals)
        raise ConfigurationError(
            f"A domain {shown} with {' x '.join(map(str, counts))} cells is empty.",
            cure="Give increasing intervals, such as rectangle((-1, 1), (-1, 1), cells=64), and at least one cell.",
        )
    return pairs, counts


def coarsest(counts: Sequence[int]) -> tuple[list[int], int]:
    """Return the counts halved as often as they go, down to `COARSEST`, and how often that was."""
    counts, times = list(counts), 0
    while all(count % 2 == 0 for count in counts) and min(counts) > COARSEST:
        counts, times = [count // 2 for count in counts], times + 1
    return counts, times


def hexagon() -> tuple[Floats, Integers]:
    """Return the regular hexagon about the origin, one triangle to each side."""
    angles = np.arange(6) * np.pi / 3
    points = np.vstack([[0.0, 0.0], np.column_stack([np.cos(angles), np.sin(angles)])])
    return points, np.array([(0, k + 1, (k + 1) % 6 + 1) for k in range(6)])


def bend_hexagon(flat: Floats) -> Floats:
    """Send each hexagon about the origin to the circle through its corners, and its sides to equal arcs."""
    angle = np.arctan2(flat[:, 1], flat[:, 0])
    corner = np.floor(angle / (np.pi / 3)) * (np.pi / 3)
    within = angle - corner
    ring = np.hypot(flat[:, 0], flat[:, 1]) * np.cos(within - np.pi / 6) / np.cos(np.pi / 6)
    # A point a share s along the hexagon's side is seen under tan(within - 30 degrees) = (2 s - 1) tan(30 degrees).
    share = (np.tan(within - np.pi / 6) / np.tan(np.pi / 6) + 1) / 2
    bent = corner + share * np.pi / 3
    return np.column_stack([ring * np.cos(bent), ring * np.sin(bent)])


def octahedron() -> tuple[Floats, Integers]:
    """Return the octahedron of the six unit vectors, one tetrahedron to each face."""
    points = np.vstack([np.zeros(3), np.eye(3), -np.eye(3)])
    signs = itertools.product((0, 3), repeat=3)
    return points, np.array([(0, 1 + a, 2 + b, 3 + c) for a, b, c in signs])


def bend_octahedron(flat: Floats) -> Floats:
    """Send each octahedron |x| + |y| + |z| = r to the sphere of radius r, along rays."""
    ring = np.abs(flat).sum(axis=1)
    length = np.linalg.norm(flat, axis=1)
    return np.asarray(flat * (ring / np.where(length > 0, length, 1.0))[:, None], dtype=np.float64)
