"""Triangles inside a polygon: points along its sides and on a lattice inside, joined as Delaunay would."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import Delaunay

from mezzofanti.curvature.checking import place
from mezzofanti.errors import ConfigurationError

__all__ = ["corners_of", "inside_polygon", "triangulated"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CLEAR = (
    0.6  # Lattice points keep this share of the spacing from the sides, so that the sides are Delaunay edges.
)
FLAT = 1e-9
HALVINGS = 6  # Near sharp corners sides are divided more finely, at most so often.


def corners_of(vertices: ArrayLike) -> Floats:
    """Return corners (K, 2), counterclockwise. Raises ConfigurationError for a polygon that crosses itself."""
    corners = np.asarray(vertices, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or not np.isfinite(corners).all():
        raise ConfigurationError(
            f"A polygon needs corners (K, 2), not an array of shape {corners.shape}.",
            cure="Give a list such as [[0, 0], [1, 0], [0, 1]].",
        )
    corners = corners[:-1] if len(corners) > 1 and (corners[0] == corners[-1]).all() else corners
    _refuse_crossing(corners)
    x, y = corners.T
    area = (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2
    return np.asarray(corners if area > 0 else corners[::-1], dtype=np.float64)


def _refuse_crossing(corners: Floats) -> None:
    """Raise where two sides that are not neighbours touch, or a corner is given twice or is a spike."""
    count = len(corners)
    after = np.roll(corners, -1, axis=0)
    if count < 3 or (np.linalg.norm(after - corners, axis=1) == 0).any():
        raise ConfigurationError(
            "A polygon needs three corners or more, no two neighbours at one place.",
            cure="Remove the double.",
        )
    first, second = np.triu_indices(count, 1)
    a, b, c, d = corners[first], after[first], corners[second], after[second]
    turns = [_turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)]
    neighbours = (second == first + 1) | ((first == 0) & (second == count - 1))
    overlap = (np.minimum(a, b) <= np.maximum(c, d)).all(1) & (np.minimum(c, d) <= np.maximum(a, b)).all(1)
    meet = (turns[0] * turns[1] <= 0) & (turns[2] * turns[3] <= 0) & overlap & ~neighbours
    shared = np.where((second == first + 1)[:, None], b, a)  # Neighbours on one line that fold back overlap.
    other, far = (
        np.where((second == first + 1)[:, None], a, b),
        np.where((second == first + 1)[:, None], d, c),
    )
    back = (
        (turns[0] == 0) & (turns[1] == 0) & (((other - shared) * (far - shared)).sum(axis=1) > 0) & neighbours
    )
    wrong = meet | back
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ConfigurationError(
            f"The polygon crosses or touches itself: side {first[k] + 1}, from {place(a[k])} to {place(b[k])}, and "
            f"side {second[k] + 1}, from {place(c[k])} to {place(d[k])}.",
            cure="Give the corners in the order in which one walks round.",
        )


def triangulated(vertices: ArrayLike, size: float) -> tuple[Floats, Integers]:
    """Return points and triangles of sides near `size` inside the polygon with these corners (K, 2)."""
    if not size > 0:
        raise ConfigurationError(f"Triangles of size {size:g} are none.", cure="Give a positive size.")
    corners = corners_of(vertices)
    for halving in range(HALVINGS):
        spacing = size / 2**halving
        rim = _along(corners, spacing)
        points = np.vstack([rim, _lattice(corners, rim, spacing)])
        triangles = np.asarray(Delaunay(points).simplices, dtype=np.int64)
        sides = points[triangles]
        # Points along a side are in line up to rounding: between them lie triangles without area.
        triangles = triangles[np.abs(_turn(sides[:, 0], sides[:, 1], sides[:, 2])) > FLAT * spacing**2]
        inside = triangles[inside_polygon(points[triangles].mean(axis=1), corners)]
        if _has_rim(inside, len(rim)):
            return points, inside
    raise ConfigurationError(
        f"A polygon with corners as sharp as this one cannot be meshed with sides near {size:g}.",
        cure="Give a smaller size, or blunt the sharpest corner.",
    )


def inside_polygon(points: Floats, corners: Floats) -> NDArray[np.bool_]:
    """Return which points (P, 2) lie inside: those from which a ray crosses the sides an odd number of times."""
    inside = np.zeros(len(points), dtype=bool)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        spans = (start[1] > points[:, 1]) != (end[1] > points[:, 1])
        if start[1] != end[1]:
            crossing = start[0] + (points[:, 1] - start[1]) / (end[1] - start[1]) * (end[0] - start[0])
            inside ^= spans & (points[:, 0] < crossing)
    return inside


def _turn(a: Floats, b: Floats, c: Floats) -> Floats:
    first, second = b - a, c - a
    return np.asarray(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0], dtype=np.float64)


def _along(corners: Floats, spacing: float) -> Floats:
    sides = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / spacing)))
        sides.append(start + np.arange(count)[:, None] / count * (end - start))
    return np.vstack(sides)


def _lattice(corners: Floats, rim: Floats, spacing: float) -> Floats:
    """Return points of a triangular lattice inside, not too near the sides."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    rows = np.arange(low[1], high[1] + spacing, spacing * np.sqrt(0.75))
    columns = np.arange(low[0] - spacing, high[0] + spacing, spacing)
    x = columns + np.where(np.arange(len(rows)) % 2, spacing / 2, 0.0)[:, None]
    points = np.column_stack([x.ravel(), np.repeat(rows, len(columns))])
    points = points[inside_polygon(points, corners)]
    clear = np.ones(len(points), dtype=bool)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        way = end - start
        along = ((points - start) @ way / (way @ way)).clip(0, 1)
        clear &= np.linalg.norm(points - start - along[:, None] * way, axis=1) > CLEAR * spacing
    return np.asarray(points[clear], dtype=np.float64)


def _has_rim(triangles: Integers, count: int) -> bool:
    """Say whether the boundary of the triangles is the closed line through the first `count` points."""
    pairs = np.sort(np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=2), axis=2).reshape(-1, 2)
    edges, counts = np.unique(pairs, axis=0, return_counts=True)
    wanted = np.sort(np.column_stack([np.arange(count), np.roll(np.arange(count), -1)]), axis=1)
    boundary = edges[counts == 1]
    return len(boundary) == count and {tuple(e) for e in boundary.tolist()} == {
        tuple(e) for e in wanted.tolist()
    }
