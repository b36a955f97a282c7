"""Functions that are linear on each cell and agree at the middles of its sides, and a measure seen by them.

M. Crouzeix and P.-A. Raviart (1973). Their total variation is dual to fluxes of P.-A. Raviart and J.-M. Thomas (1977)
whose divergence is constant on each cell, so that a minimiser comes with a flux that proves a lower bound
(A. Chambolle and T. Pock, "Crouzeix-Raviart approximation of the total variation on simplicial meshes", 2020).
Any dimension d: sides are the facets, d + 1 of them a cell. Side k lies opposite corner k. F sides, T cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import factorial

import numpy as np
from numpy.typing import NDArray

from mezzofanti.curvature.crossing import cut_by_mesh
from mezzofanti.curvature.measures import Curve, Density, Measure, Part, evaluate, gather
from mezzofanti.curvature.mesh import Floats, Integers, Mesh
from mezzofanti.curvature.norms import Block

__all__ = ["SideFunctions", "SideLoad", "side_load"]

ON_SIDE = 1e-7  # In barycentric shares: nearer than this, a piece of a curve lies on the side;
NEAR, SLANT = (
    0.1,
    0.1,
)  # nearer than this, and at a smaller angle, it is put there: a polygon about a mesh circle.
LOST = 1e-6  # A measure is taken as constant on cells and sides if less than this share of it is not.
GAUSS = np.array([0.5 - np.sqrt(0.15), 0.5, 0.5 + np.sqrt(0.15)])
GAUSS_WEIGHTS = np.array([5, 8, 5]) / 18


class SideFunctions:
    """The side functions of one mesh: which sides its cells have, and the norms of the free-trace variation."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        corners = mesh.triangles.shape[1]
        self.dimension = corners - 1
        opposite = [[c for c in range(corners) if c != k] for k in range(corners)]
        facets = np.sort(mesh.triangles[:, opposite], axis=2).reshape(-1, self.dimension)
        self.ends, inverse = np.unique(facets, axis=0, return_inverse=True)
        self.sides: Integers = inverse.reshape(mesh.triangles.shape).astype(np.int64)
        self.rim: NDArray[np.bool_] = np.bincount(self.sides.ravel(), minlength=len(self.ends)) == 1

    @property
    def count(self) -> int:
        """Number of sides F."""
        return len(self.ends)

    @cached_property
    def sizes(self) -> Floats:
        """Length or area (F,) of each side; 1 for a point."""
        if self.dimension == 1:
            return np.ones(self.count)
        points = self.mesh.points[self.ends]
        edges = points[:, 1:] - points[:, :1]
        gram = np.einsum("fax,fbx->fab", edges, edges)
        return np.asarray(np.sqrt(np.linalg.det(gram)) / factorial(self.dimension - 1), dtype=np.float64)

    @property
    def gradients(self) -> Floats:
        """Gradient (T, d + 1, d) of each cell's side functions: side k has 1 - d lambda_k."""
        return np.asarray(-self.dimension * self.mesh.hat_gradients, dtype=np.float64)

    def blocks(self) -> tuple[Block, ...]:
        """Return the norms whose sum is TV(v) + the integral of |v| over the boundary."""
        rim = np.flatnonzero(self.rim)
        scale = float(self.mesh.areas.sum() / self.sizes[rim].sum())
        trace = Block(rim[:, None], np.ones((len(rim), 1, 1)), self.sizes[rim], unit=scale)
        return Block(self.sides, self.gradients, self.mesh.areas), trace

    def at_nodes(self, v: Floats) -> Floats:
        """Return nodal values (N,): the mean over the cells about a node of their values there."""
        on_sides = v[self.sides]
        at_corners = on_sides.sum(axis=1, keepdims=True) - self.dimension * on_sides
        weights = np.repeat(self.mesh.areas, self.dimension + 1)
        nodes, count = self.mesh.triangles.ravel(), len(self.mesh.points)
        total = np.bincount(nodes, at_corners.ravel() * weights, minlength=count)
        return np.asarray(total / np.bincount(nodes, weights, minlength=count), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class SideLoad:
    """A measure as masses inside cells (T,) and on sides (F,). `exact`: it is constant on each, so nothing was lost.

    slack (T,): osc_T f diam(T) / 4 for what is a density f. The mass of any region E differs from that of the averaged
    load by at most the largest of them times perimeter(E), because the integral of f - f_T over a part A of a convex T
    is at most (osc_T f / 2) |1_A - mean|_1, and that norm at most diam(T) / 2 times the perimeter of A inside T
    (G. Acosta and R. G. Duran, "An optimal Poincare inequality in L1 for convex domains", 2004). bounded: all that was
    averaged is such a density. The mass of a curve across cells has no such bound that tends to 0 with them: a thin
    region about it holds all of that mass and next to nothing of the average.
    """

    spread: Floats  # (T,) masses in cells that are not those of curves
    in_cells: Floats
    on_sides: Floats
    vector: Floats  # its integrals (F,) against the side functions
    exact: bool
    slack: Floats
    bounded: bool

    def surely(self, bound: float) -> float:
        """Return what a lower bound of the averaged load's lambda* is for the load itself, as far as it is bounded."""
        return 1 / (1 / bound + float(self.slack.max())) if bound > 0 else 0.0

    def __add__(self, other: SideLoad) -> SideLoad:
        return SideLoad(
            self.spread + other.spread,
            self.in_cells + other.in_cells,
            self.on_sides + other.on_sides,
            self.vector + other.vector,
            self.exact and other.exact,
            self.slack + other.slack,
            self.bounded and other.bounded,
        )


def side_load(functions: SideFunctions, measure: Measure) -> SideLoad:
    """Return the measure's load on the side functions. Raises what `measure.load` raises."""
    cells, sides = np.zeros(len(functions.mesh.triangles)), np.zeros(functions.count)
    total = SideLoad(cells, cells, sides, np.zeros(functions.count), True, cells, True)
    for part in measure.parts:
        if isinstance(part, Curve) and functions.dimension == 2:
            total += _curve_load(functions, part)
        else:
            total += _cell_load(functions, part)
    return total


def _cell_load(functions: SideFunctions, part: Part) -> SideLoad:
    moments = _moments(functions.mesh, part)
    mass = moments.sum(axis=1)
    uneven = np.abs(moments - mass[:, None] / moments.shape[1]).sum()
    vector = _evenly(functions, mass)
    exact = bool(uneven <= LOST * np.abs(moments).sum())
    slack = np.zeros(len(mass))
    if not exact and isinstance(part, Density):
        corners = functions.mesh.points[functions.mesh.triangles]
        slack = part.oscillation(corners) * _diameters(corners) / 4
    bounded = exact or (isinstance(part, Density) and bool(np.isfinite(slack).all()))
    slack = np.where(np.isfinite(slack), slack, 0.0)
    return SideLoad(mass, mass, np.zeros(functions.count), vector, exact, slack, bounded)


def _diameters(corners: Floats) -> Floats:
    """Return the longest edge (T,) of simplices (T, n + 1, n)."""
    return np.asarray(np.linalg.norm(corners[:, :, None] - corners[:, None], axis=3).max(axis=(1, 2)))


def _moments(mesh: Mesh, part: Part) -> Floats:
    """Return the integrals (T, d + 1) of each cell's hats, found by loading the mesh taken apart into its cells."""
    if isinstance(part, Density) and part.within is None:
        return part.moments(mesh.points[mesh.triangles])
    corners = mesh.triangles.shape[1]
    pieces = np.arange(mesh.triangles.size).reshape(-1, corners)
    apart = part.load(Mesh(mesh.points[mesh.triangles].reshape(-1, mesh.points.shape[1]), pieces))
    together = part.load(mesh)
    joined = np.bincount(mesh.triangles.ravel(), apart, minlength=len(mesh.points))
    if np.abs(joined - together).sum() <= 1e-6 * max(float(np.abs(together).sum()), 1e-300):
        return np.asarray(apart.reshape(-1, corners), dtype=np.float64)
    return np.repeat(_spread(mesh, together)[:, None] / corners, corners, axis=1)  # it only knows nodes


def _spread(mesh: Mesh, at_nodes: Floats) -> Floats:
    """Return masses of cells (T,): each node's mass (N,) spread evenly over the cells about it."""
    corners = mesh.triangles.shape[1]
    about = np.bincount(mesh.triangles.ravel(), np.repeat(mesh.areas, corners), minlength=len(mesh.points))
    return np.asarray((at_nodes / about)[mesh.triangles].sum(axis=1) * mesh.areas, dtype=np.float64)


def _curve_load(functions: SideFunctions, curve: Curve) -> SideLoad:
    """Tell pieces that run along sides, which a flux may jump across, from pieces inside cells."""
    pieces = cut_by_mesh(curve.vertices, functions.mesh)
    length = np.linalg.norm(pieces.end - pieces.start, axis=1)
    at = pieces.start[:, None] + GAUSS[:, None] * (pieces.end - pieces.start)[:, None]
    weights = curve.factor * evaluate(curve.field, at.reshape(-1, 2), curve.name).reshape(at.shape[:2])
    away = np.maximum(pieces.start_shares, pieces.end_shares)  # 0 at corner k: the piece lies on side k
    near, corner = away.min(axis=1), away.argmin(axis=1)
    climb = np.abs(pieces.end_shares - pieces.start_shares)[np.arange(len(length)), corner]
    heights = 1 / np.linalg.norm(functions.mesh.hat_gradients[pieces.triangle, corner], axis=1)
    along = (near <= NEAR) & (climb * heights <= SLANT * length)
    mass = length * (weights @ GAUSS_WEIGHTS)
    side = functions.sides[pieces.triangle, corner]
    on_sides = np.bincount(side[along], mass[along], minlength=functions.count).astype(np.float64)
    shares = (pieces.start_shares + pieces.end_shares)[~along] / 2
    corners = functions.mesh.triangles[pieces.triangle[~along]]
    at_nodes = gather(corners.ravel(), mass[~along, None] * shares, functions.mesh)
    # A line across a cell weighs on an area of some cells' width: on one alone, side functions would shirk it.
    in_cells = _spread(functions.mesh, at_nodes)
    evenly = np.abs(weights - (on_sides / functions.sizes)[side][:, None]).max(axis=1) * length
    exact = bool(near.max() <= ON_SIDE and evenly.sum() <= LOST * np.abs(mass).sum())
    vector = on_sides + _evenly(functions, in_cells)
    nothing = np.zeros(len(functions.sides))
    return SideLoad(nothing, in_cells, on_sides, vector, exact, nothing, exact)


def _evenly(functions: SideFunctions, in_cells: Floats) -> Floats:
    """Return the load (F,) of masses spread evenly over cells: side functions reach 3 at corners, moments mislead."""
    corners = functions.dimension + 1
    shares = np.repeat(in_cells / corners, corners)
    return np.asarray(np.bincount(functions.sides.ravel(), shares, minlength=functions.count))
