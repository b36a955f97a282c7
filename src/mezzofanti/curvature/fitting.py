"""A mesh bent a little, so that its edges follow the wires.

A crease inside triangles costs accuracy (the error in L2 falls like h instead of h^2); along edges it costs none.
Where a wire crosses an edge, the nearer end of that edge is moved to the crossing. As the wire enters and leaves
each triangle through two edges, the moved nodes are then joined by edges that lie on the wire.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mezzofanti.curvature.measures import Curve, Measure
from mezzofanti.curvature.mesh import Floats, Integers, Mesh

__all__ = ["fit_mesh"]

LEAST_AREA = 0.2  # A move that leaves any triangle less than this share of its area is not made.
SHARP = np.radians(20)  # Turns above this are corners, and get a node.
FEWEST_NODES = 800
LEVELS_BELOW = 2


def fit_mesh(mesh: Mesh, measure: Measure) -> Mesh:
    """Return the mesh with inner nodes moved onto the measure's curves; as many nodes, the same outline.

    Where it was refined, the fit is made up to two levels below (not below 800 nodes) and refined again: then
    the coarser meshes follow the wires too, and Newton has less to do on the finest.
    """
    if not measure.curves:
        return mesh
    base, times = mesh, 0
    while times < LEVELS_BELOW and base.coarser is not None and len(base.coarser.points) >= FEWEST_NODES:
        base, times = base.coarser, times + 1
    return base.moved(_Fit(base).along(measure.curves)).refined(times)


class _Fit:
    """Moves nodes of one mesh, one at a time, never turning a triangle over."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.points = mesh.points.copy()
        self.held = np.zeros(len(self.points), dtype=bool)
        self.held[mesh.boundary] = True
        self.sliding, self.rim_edge = _straight_boundary(mesh)
        by_node = np.argsort(mesh.triangles.ravel(), kind="stable")
        counts = np.bincount(mesh.triangles.ravel(), minlength=len(self.points))
        self.around = np.split(by_node // 3, np.cumsum(counts)[:-1])

    def along(self, curves: Iterable[Curve]) -> Floats:
        """Return the positions (N, 2) after all moves."""
        for curve in curves:
            for corner in _corners(curve.vertices):
                self._move(int(np.argmin(np.linalg.norm(self.points - corner, axis=1))), corner)
        for curve in curves:
            for start, end in itertools.pairwise(curve.vertices):
                self._follow(start, end)
        return self.points

    def _follow(self, start: Floats, end: Floats) -> None:
        edges, share, crossing, on_rim = self._crossed(start, end)
        on_it = _distance(self.points, start, end) <= 1e-9 * self.mesh.diameter
        self.held |= on_it
        for place in np.argsort(np.minimum(share, 1 - share)):
            ends = edges[place] if share[place] < 0.5 else edges[place][::-1]
            if on_it[ends].any():
                continue
            for node in ends:
                if self._move(int(node), crossing[place], slide=bool(on_rim[place])):
                    on_it[node] = True
                    break

    def _crossed(self, start: Floats, end: Floats) -> tuple[Integers, Floats, Floats, NDArray[np.bool_]]:
        """Return the edges (E, 2) that the segment crosses, where (E,), the points (E, 2), and which are boundary."""
        a, b = (self.points[self.mesh.edges[:, k]] for k in range(2))
        way, along = end - start, b - a
        across = way[0] * along[:, 1] - way[1] * along[:, 0]
        across[np.abs(across) < 1e-300] = np.inf  # parallel: an edge along the wire needs no move
        to = a - start
        time = (to[:, 0] * along[:, 1] - to[:, 1] * along[:, 0]) / across
        share = (to[:, 0] * way[1] - to[:, 1] * way[0]) / across
        hit = np.isfinite(across) & (np.abs(time - 0.5) <= 0.5 + 1e-9) & (share > 0) & (share < 1)
        return self.mesh.edges[hit], share[hit], start + time[hit, None] * way, self.rim_edge[hit]

    def _move(self, node: int, place: Floats, *, slide: bool = False) -> bool:
        if self.held[node] and not (slide and self.sliding[node]):
            return False
        around = self.mesh.triangles[self.around[node]]
        corners = self.points[around]
        corners[around == node] = place
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        areas = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
        if (areas < LEAST_AREA * self.mesh.areas[self.around[node]]).any():
            return False
        self.points[node] = place
        self.held[node], self.sliding[node] = True, False
        return True


def _straight_boundary(mesh: Mesh) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which nodes (N,) lie inside a straight side, where they may slide, and which edges (E,) are boundary."""
    rim_edge = np.bincount(mesh.edges_and_sides[1].ravel(), minlength=len(mesh.edges)) == 1
    ends = mesh.edges[rim_edge]
    way = mesh.points[ends[:, 1]] - mesh.points[ends[:, 0]]
    way /= np.linalg.norm(way, axis=1)[:, None]
    turn = np.zeros_like(mesh.points)
    np.add.at(turn, ends[:, 0], way)
    np.add.at(turn, ends[:, 1], -way)
    sliding = np.zeros(len(turn), dtype=bool)
    sliding[mesh.boundary] = np.linalg.norm(turn[mesh.boundary], axis=1) < 1e-9
    return sliding, rim_edge


def _corners(vertices: Floats) -> Floats:
    """Return the ends of the line and the vertices where it turns sharply."""
    steps = np.diff(vertices, axis=0)
    angle = np.arctan2(steps[:, 1], steps[:, 0])
    turn = np.abs((np.diff(angle) + np.pi) % (2 * np.pi) - np.pi)
    return np.asarray(vertices[np.concatenate([[True], turn > SHARP, [True]])], dtype=np.float64)


def _distance(points: Floats, start: Floats, end: Floats) -> Floats:
    way = end - start
    time = ((points - start) @ way / (way @ way)).clip(0, 1)
    return np.asarray(np.linalg.norm(points - start - time[:, None] * way, axis=1), dtype=np.float64)
