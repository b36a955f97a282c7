"""Dual cells: what a node's mass is spread over.

Each simplex is shared out among its corners: a point belongs to the corner of which it has the largest barycentric
share. In the plane such a part is the quadrilateral between a corner, the middles of its two sides and the centroid.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np

from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.regions import Region

__all__ = ["dual_volumes", "samples", "share_inside"]

FINENESS = {1: 16, 2: 7, 3: 4}  # Points of the lattice on a side of a simplex: 17, 36 and 35 in all.


def dual_volumes(mesh: Mesh) -> Floats:
    """Return the volume (N,) of each node's dual cell: an equal share of each simplex about it."""
    corners = mesh.triangles.shape[1]
    shares = np.repeat(mesh.areas / corners, corners)
    return np.asarray(np.bincount(mesh.triangles.ravel(), shares, minlength=len(mesh.points)))


def share_inside(mesh: Mesh, region: Region) -> Floats:
    """Return which share (N,) of each node's dual cell lies in the region.

    For a box in the plane the areas are exact; otherwise they are counted on a lattice of points in each simplex.
    """
    if region.box is not None and len(region.box) == mesh.points.shape[1] == 2:
        inside = _areas_in_box(mesh, region.box)
    else:
        inside = _counted(mesh, region)
    return np.asarray(inside / dual_volumes(mesh), dtype=np.float64)


@lru_cache
def samples(dimension: int) -> tuple[Floats, Floats]:
    """Return barycentric shares (S, n + 1) of lattice points of a simplex, and to which corner each belongs.

    The second array (S, n + 1) has columns that sum to 1 / (n + 1); points between corners are split evenly.
    """
    fineness = FINENESS[dimension]
    lattice = [
        point for point in itertools.product(range(fineness + 1), repeat=dimension) if sum(point) <= fineness
    ]
    rest = np.array([[*point, fineness - sum(point)] for point in lattice])
    shares = (rest + 0.5) / (fineness + (dimension + 1) / 2)
    owned = (rest == rest.max(axis=1, keepdims=True)).astype(np.float64)
    owned /= owned.sum(axis=1, keepdims=True)
    return shares, owned / (owned.sum(axis=0) * (dimension + 1))


def _counted(mesh: Mesh, region: Region) -> Floats:
    shares, owned = samples(mesh.points.shape[1])
    corners = mesh.points[mesh.triangles]
    at = np.einsum("sc,tcx->tsx", shares, corners)
    holds = region.holds(at.reshape(-1, at.shape[2])).reshape(at.shape[:2])
    local = mesh.areas[:, None] * (holds @ owned)
    return np.asarray(np.bincount(mesh.triangles.ravel(), local.ravel(), minlength=len(mesh.points)))


def _areas_in_box(mesh: Mesh, box: tuple[tuple[float, float], ...]) -> Floats:
    low, high = np.array(box).T
    below, above = mesh.points < low, mesh.points > high
    outside = [held[mesh.triangles].all(axis=1) for held in (*below.T, *above.T)]
    inside = ~(below | above).any(axis=1)[mesh.triangles].any(axis=1)
    touched = np.flatnonzero(~np.logical_or.reduce(outside) & ~inside)
    cut = mesh.points[mesh.triangles[touched]]
    middles = (cut + np.roll(cut, -1, axis=1)) / 2
    centroids = np.broadcast_to(cut.mean(axis=1)[:, None], cut.shape)
    quadrilaterals = np.stack([cut, middles, centroids, np.roll(middles, 1, axis=1)], axis=2)
    local = np.repeat(np.where(inside, mesh.areas / 3, 0.0)[:, None], 3, axis=1)
    local[touched] = _area_in_box(quadrilaterals.reshape(-1, 4, 2), low, high).reshape(-1, 3)
    return np.asarray(np.bincount(mesh.triangles.ravel(), local.ravel(), minlength=len(mesh.points)))


def _area_in_box(polygons: Floats, low: Floats, high: Floats) -> Floats:
    """Return the area (P,) of each polygon (P, V, 2, counterclockwise) inside the box.

    By Green's theorem it is the integral along the sides of clip(x) dy where y is in the box, because
    d clip(x) / dx is 1 inside and 0 outside; clip(x) is linear between its two corners, so a trapezium rule is exact.
    """
    start, way = polygons, np.roll(polygons, -1, axis=1) - polygons
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.stack(
            [(bound[k] - start[..., k]) / way[..., k] for k in (0, 1) for bound in (low, high)], axis=-1
        )
    times = np.nan_to_num(times, nan=0.0, posinf=1.0, neginf=0.0).clip(0.0, 1.0)
    enter, leave = np.sort(times[..., 2:], axis=-1)[..., 0], np.sort(times[..., 2:], axis=-1)[..., 1]
    bends = np.sort(times[..., :2].clip(enter[..., None], leave[..., None]), axis=-1)
    stops = np.concatenate([enter[..., None], bends, leave[..., None]], axis=-1)
    x = (start[..., :1] + stops * way[..., :1]).clip(low[0], high[0])
    strip = ((x[..., 1:] + x[..., :-1]) / 2 * np.diff(stops, axis=-1)).sum(axis=-1)
    return np.asarray((strip * way[..., 1]).sum(axis=1), dtype=np.float64)
