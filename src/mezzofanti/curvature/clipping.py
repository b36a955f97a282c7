"""Convex polygons cut by half spaces, many at a time."""

from __future__ import annotations

import numpy as np

from mezzofanti.curvature.mesh import Floats, Integers

__all__ = ["clip", "fan"]


def clip(polygons: Floats, level: Floats) -> tuple[Floats, Integers]:
    """Return what of each polygon has level >= 0, and which polygon each piece came from.

    polygons: (P, V, k) corners in any coordinates; level: (P, V), linear on each. A polygon with fewer corners than
    there is room for repeats its first one. Pieces without corners are dropped (Sutherland and Hodgman 1974).
    """
    after, level_after = np.roll(polygons, -1, axis=1), np.roll(level, -1, axis=1)
    crosses = (level >= 0) != (level_after >= 0)
    span = np.where(crosses, level - level_after, 1.0)
    crossing = polygons + (level / span)[..., None] * (after - polygons)
    shape = (len(polygons), 2 * polygons.shape[1])
    corners = np.stack([polygons, crossing], axis=2).reshape(*shape, polygons.shape[2])
    kept = np.stack([level >= 0, crosses], axis=2).reshape(shape)
    counts = kept.sum(axis=1)
    whole = np.flatnonzero(counts >= 3)
    order = np.argsort(~kept[whole], axis=1, kind="stable")[:, : counts.max(initial=0)]
    pieces = np.take_along_axis(corners[whole], order[..., None], axis=1)
    beyond = np.arange(pieces.shape[1]) >= counts[whole, None]
    return np.where(beyond[..., None], pieces[:, :1], pieces), whole


def fan(polygons: Floats) -> tuple[Floats, Integers]:
    """Return the triangles (F, 3, k) from the first corner of each polygon, and the polygon of each."""
    count = polygons.shape[1] - 2
    triangles = np.stack(
        [np.repeat(polygons[:, :1], count, axis=1), polygons[:, 1:-1], polygons[:, 2:]], axis=2
    )
    return triangles.reshape(-1, 3, polygons.shape[2]), np.repeat(np.arange(len(polygons)), count)
