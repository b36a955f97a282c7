"""A polygonal line, cut where it crosses the edges of a mesh."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from mezzofanti.curvature.locate import cell_tree
from mezzofanti.curvature.mesh import Floats, Integers, Mesh
from mezzofanti.errors import ConfigurationError

__all__ = ["Pieces", "barycentric", "cut_by_mesh"]

_SMALL = (
    1e-11  # In barycentric shares, and in shares of a segment: nearer than this, a point lies on the edge.
)


@dataclass(frozen=True)
class Pieces:
    """Straight pieces that each lie in one triangle: ends (P, 2), their barycentric shares (P, 3), triangle (P,)."""

    start: Floats
    end: Floats
    start_shares: Floats
    end_shares: Floats
    triangle: Integers


def cut_by_mesh(vertices: Floats, mesh: Mesh) -> Pieces:
    """Cut the line through `vertices` (K, 2) at the mesh's edges; what lies outside the mesh is left out.

    A piece that runs along an edge is counted once. Raises ConfigurationError when nothing lies inside.
    """
    tree = cell_tree(mesh)
    reach = np.linalg.norm(mesh.points[mesh.triangles] - mesh.centroids[:, None], axis=2).max()
    starts, ends, owners = [], [], []
    for start, end in itertools.pairwise(vertices):
        near = tree.query_ball_point((start + end) / 2, np.linalg.norm(end - start) / 2 + reach * (1 + 1e-9))
        times, owner = _cut_segment(start, end, np.asarray(near, dtype=np.int64), mesh)
        starts.append(start + times[:, :1] * (end - start))
        ends.append(start + times[:, 1:] * (end - start))
        owners.append(owner)
    start_P2, end_P2, triangle_P = np.vstack(starts), np.vstack(ends), np.concatenate(owners)
    if not len(triangle_P):
        raise ConfigurationError(
            f"A curve from {tuple(map(float, vertices[0]))} to {tuple(map(float, vertices[-1]))} misses the domain.",
            cure="Draw it inside the domain.",
        )
    first, last = (barycentric(mesh, triangle_P, at) for at in (start_P2, end_P2))
    return Pieces(start_P2, end_P2, first, last, triangle_P)


def _cut_segment(start: Floats, end: Floats, near: Integers, mesh: Mesh) -> tuple[Floats, Integers]:
    """Return the times (P, 2) in [0, 1] between which the segment stays in one triangle, and the triangle (P,)."""
    at_start = barycentric(mesh, near, np.broadcast_to(start, (len(near), 2)))
    change = barycentric(mesh, near, np.broadcast_to(end, (len(near), 2))) - at_start
    room = at_start + _SMALL  # Each triangle a hair larger, so that nothing falls between two of them.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        zero = -room / change
    enter = np.where(change > 0, zero, 0.0).max(axis=1).clip(0.0, 1.0)
    leave = np.where(change < 0, zero, 1.0).min(axis=1).clip(0.0, 1.0)
    inside = ~((change == 0) & (room < 0)).any(axis=1) & (leave - enter > _SMALL)
    enter, leave, near = enter[inside], leave[inside], near[inside]
    times = np.unique(np.concatenate([enter, leave]))
    times = times[np.diff(times, prepend=-1.0) > _SMALL]
    middles = (times[1:] + times[:-1]) / 2
    # Two triangles share a piece that runs along their common edge: the first one found takes it.
    holds = (enter[None] <= middles[:, None]) & (middles[:, None] <= leave[None])
    found = holds.any(axis=1) if holds.size else np.zeros(len(middles), dtype=bool)
    owner = near[holds.argmax(axis=1)] if holds.size else near[:0]
    return np.column_stack([times[:-1], times[1:]])[found], owner[found] if holds.size else owner


def barycentric(mesh: Mesh, triangles: Integers, at: Floats) -> Floats:
    """Return the shares (P, 3) of the corners of `triangles` (P,) at the points (P, 2)."""
    gradients = mesh.hat_gradients[triangles]
    return np.asarray(
        1 / 3 + np.einsum("pcx,px->pc", gradients, at - mesh.centroids[triangles]), dtype=np.float64
    )
