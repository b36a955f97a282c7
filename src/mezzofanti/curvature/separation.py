"""A density told from a mass on curves, by how masses grow with the radius about a point.

About a node, weigh masses by the cone 1 - distance / r. A density f gives M(r) = f V(r), with V(r) the weighted volume
of the dual cells of inner nodes; a curve through the node with mass w a unit of length gives M(r) = w S(r), with
S(r) = r in the plane (1 on the line, pi r^2 / 3 for a surface in space). From the radii r and 2r,

    w = (M(r) V(2r) - M(2r) V(r)) / (S(r) V(2r) - S(2r) V(r))

keeps the curve's weight and cancels the density, up to r^2. Nodes where w exceeds `LEAST` may lie on the singular part.

A point carries no mass in the plane and in space, though M(r) / r^(n-1) tends to a number there as at a curve: at the
tip of a cone the density is s/r. But w is positive only within r of such a point (farther off the tip enters M(2r)
before M(r), and w is negative), so what is marked about it is at most 2r across. Hence a connected set of marked nodes
belongs to the singular part only if it reaches farther than `REACH` r, in n - 1 directions: a curve does in the plane,
a surface in space, and neither a point nor, in space, an edge. Within r of what is left the density is taken from the
nearest nodes beyond, and the rest of the mass is singular.

What this cannot tell, with r = 3 cells: a curve of a cell or two, which is called a density (in space a surface less
than 8 across); the density about a crease's end, of a mass of the order of r; and a density that changes within r
along a whole curve, which is called singular as long as it does: the rounded crease sqrt(x^2 + e^2) until e is ten
cells, |x|^(3/2) by a mass that falls like the root of the cell, a cone thrice as steep one way as the other along its
long axis by a mass of the order of r.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from mezzofanti.curvature.dual import dual_volumes
from mezzofanti.curvature.mesh import Floats, Mesh

__all__ = ["LEAST", "sheet_weight", "singular_masses"]

LEAST = 0.1  # Mass a unit of length below which nothing is called singular; a film holds up to 2.
CELLS = 3.0
REACH = 2.5  # Two, and half a one for rounding to nodes.
SHEET = {1: 1.0, 2: 1.0, 3: np.pi / 3}  # The cone integrated over the sheet, r = 1.
NEAREST = 8


def singular_masses(mesh: Mesh, masses: Floats) -> Floats:
    """Return the singular part (N,) of nodal masses (N,)."""
    on_sheet = sheet_weight(mesh, masses) > LEAST
    on_sheet[mesh.boundary] = False
    on_sheet = _far_reaching(mesh, on_sheet)
    if not on_sheet.any():
        return np.zeros(len(masses))
    away = cKDTree(mesh.points[on_sheet]).query(mesh.points)[0]
    near = away <= _radius(mesh)
    near[mesh.boundary] = False
    plain = mesh.interior[~near[mesh.interior]]
    if not len(plain):
        return np.where(near, masses, 0.0)
    volumes = dual_volumes(mesh)
    known = (masses / volumes)[plain]
    count = min(NEAREST, len(plain))
    nearest = cKDTree(mesh.points[plain]).query(mesh.points[near], k=count)[1].reshape(-1, count)
    singular = np.zeros(len(masses))
    singular[near] = masses[near] - known[nearest].mean(axis=1) * volumes[near]
    return singular


def _far_reaching(mesh: Mesh, marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the marked nodes (N,) whose connected set is too large for a point, or in space an edge."""
    if mesh.dimension == 1:
        return marked
    chosen = np.flatnonzero(marked)
    ends, count = mesh.edges, len(marked)
    edges = sparse.coo_array((np.ones(len(ends)), ends.T), (count, count)).tocsr()
    beside = (edges + edges.T)[chosen]
    # Two nodes with a common neighbour count as joined: a crease that crosses cells may leave out a node.
    sets = connected_components(beside @ beside.T + beside[:, chosen], directed=False)[1]
    radius = _radius(mesh)[chosen]
    for number in range(sets.max(initial=-1) + 1):
        members = sets == number
        spans = _spans(mesh.points[chosen[members]])
        if spans[mesh.dimension - 2] <= REACH * radius[members].max():
            marked[chosen[members]] = False
    return marked


def _spans(points: Floats) -> Floats:
    """Return how far points (P, n) reach along their principal axes, farthest axis first."""
    centred = points - points.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    return np.asarray(np.ptp(centred @ axes, axis=0), dtype=np.float64)


def sheet_weight(mesh: Mesh, masses: Floats) -> Floats:
    """Return w (N,): the mass a unit of length of a curve through each node, near 0 where there is none."""
    radius, count = _radius(mesh), len(masses)
    inner = mesh.interior
    pairs = cKDTree(mesh.points).query_ball_point(mesh.points[inner], 2 * radius[inner].max())
    there = np.concatenate([np.asarray(found, dtype=np.int64) for found in pairs])
    source = np.repeat(inner, [len(found) for found in pairs])
    distance = np.linalg.norm(mesh.points[there] - mesh.points[source], axis=1)
    volumes = dual_volumes(mesh)

    def weighed(values: Floats, r: Floats) -> Floats:
        cone = np.maximum(0.0, 1 - distance / r[there])
        return np.asarray(np.bincount(there, cone * values[source], minlength=count), dtype=np.float64)

    mass = [weighed(masses, k * radius) for k in (1, 2)]
    volume = [weighed(volumes, k * radius) for k in (1, 2)]
    sheet = [_sheet(mesh, k * radius) for k in (1, 2)]
    told = sheet[0] * volume[1] - sheet[1] * volume[0]
    least = sheet[0] * volume[1] / 4  # In a corner the two can hardly be told apart.
    return np.asarray((mass[0] * volume[1] - mass[1] * volume[0]) / np.maximum(told, least), dtype=np.float64)


def _sheet(mesh: Mesh, radius: Floats) -> Floats:
    return np.asarray(SHEET[mesh.dimension] * radius ** (mesh.dimension - 1), dtype=np.float64)


def _radius(mesh: Mesh) -> Floats:
    """Return r (N,): three cells. Dual cells on the boundary are smaller, so the usual size is the least there."""
    size = dual_volumes(mesh) ** (1 / mesh.dimension)
    size[mesh.boundary] = np.maximum(size[mesh.boundary], np.median(size))
    return np.asarray(CELLS * size, dtype=np.float64)
