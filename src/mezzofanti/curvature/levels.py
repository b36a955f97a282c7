"""Regions {v > t} of a continuous function that is linear on each triangle: perimeter, mass, outline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import ConvexHull, cKDTree

from mezzofanti.curvature.clipping import clip, fan
from mezzofanti.curvature.crossing import cut_by_mesh
from mezzofanti.curvature.densities import Density
from mezzofanti.curvature.measures import Curve, Measure
from mezzofanti.curvature.mesh import Floats, Integers, Mesh

__all__ = ["Region", "best_region", "hulls", "strip"]

LEVELS = 24
SWEEPS = 4


@dataclass(frozen=True, eq=False)
class Region:
    """A polygonal region E. nodes: mesh nodes in it. outline: closed lines (K, 2), first point not repeated.

    mass: at least so much lies in it. In the plane, densities and curves are integrated over the polygon itself, so
    the ratio proves what it says, up to quadrature.
    """

    mesh: Mesh
    nodes: Integers
    perimeter: float
    mass: float
    outline: tuple[Floats, ...]

    @property
    def ratio(self) -> float:
        """Perimeter over mass: no multiple of the load above it is carried."""
        return self.perimeter / self.mass

    @property
    def center(self) -> Floats:
        """Mean (n,) of the nodes inside."""
        return np.asarray(self.mesh.points[self.nodes].mean(axis=0), dtype=np.float64)


def strip(mesh: Mesh, curve: Curve) -> Region:
    """Return the limit of thin strips about a curve where it is heaviest: perimeter 2 and its weight a unit of length.

    Of a curve of even weight it is all of it; of another, a thousandth of a side.
    """
    corners = curve.vertices
    middles = (corners[1:] + corners[:-1]) / 2
    at = np.vstack([corners, middles])
    weights = np.abs(curve.factor * np.broadcast_to(np.asarray(curve.field(*at.T)), (len(at),)))
    line = corners
    if np.ptp(weights) > 1e-9 * weights.max():
        heaviest = int(weights.argmax())
        side = min(heaviest, len(middles) - 1) if heaviest < len(corners) else heaviest - len(corners)
        way = 5e-4 * (corners[side + 1] - corners[side])
        line = np.stack([at[heaviest] - way, at[heaviest] + way])
    length = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
    nearest = np.unique(cKDTree(mesh.points).query(line)[1])
    outline = (np.vstack([line, line[-2:0:-1]]),)
    return Region(mesh, nearest, 2 * length, float(weights.max()) * length, outline)


def hulls(mesh: Mesh, curves: Sequence[Curve]) -> list[Region]:
    """Return the convex hulls of what lies in a convex domain of each curve, and of all: their mass is the curves'."""
    if not curves or not _is_convex(mesh):
        return []
    pieces = [cut_by_mesh(curve.vertices, mesh) for curve in curves]
    places = [np.vstack([piece.start, piece.end]) for piece in pieces]
    masses = [_Wire(mesh, np.ones(len(mesh.points)), curve).above(0.0) for curve in curves]
    if len(curves) > 1:
        places, masses = [*places, np.vstack(places)], [*masses, sum(masses)]
    return [
        _hull(mesh, place, mass)
        for place, mass in zip(places, masses, strict=True)
        if _hull_length(place) < np.inf
    ]


def _hull(mesh: Mesh, places: Floats, mass: float) -> Region:
    hull = ConvexHull(places)
    sides = hull.equations
    inside = (mesh.points @ sides[:, :2].T + sides[:, 2] <= 1e-9 * mesh.diameter).all(axis=1)
    return Region(mesh, np.flatnonzero(inside), float(hull.area), mass, (places[hull.vertices],))


def _smoothings(mesh: Mesh, v: Floats) -> Iterator[Floats]:
    """Yield v (N,), then v after one, two, ... averagings with its neighbours: those level lines wiggle less."""
    ends, count = mesh.edges, len(v)
    links = sparse.coo_matrix((np.ones(len(ends)), ends.T), shape=(count, count)).tocsr()
    links = links + links.T
    degree = np.asarray(links.sum(axis=1)).ravel()
    for _ in range(SWEEPS):
        yield v
        v = (v + links @ v / degree) / 2


def best_region(mesh: Mesh, measure: Measure, spread: Floats, v: Floats) -> Region | None:
    """Return the level region of v (N,), or of v smoothed, with the least perimeter for its mass.

    spread (T,): the masses that lie in triangles, taken as even over each while levels are compared; those of curves
    are cut exactly, and the one region returned has the exact mass of its densities. Over a convex domain the convex
    hull of a region is tried too: its perimeter is no longer, and its mass no less, so the region's own is counted.
    None where v is flat.
    """
    curves = [part for part in measure.parts if isinstance(part, Curve)]
    load, convex = measure.load(mesh), _is_convex(mesh)
    best: tuple[float, float, _Levels] | None = None
    for smooth in _smoothings(mesh, np.maximum(v, 0.0)):
        levels = _Levels(mesh, smooth, spread, curves)
        for level in _candidates(smooth, load):
            perimeter, mass = levels.perimeter(level), levels.mass(level)
            if convex:
                perimeter = min(perimeter, _hull_length(levels.places(level)))
            if mass > 0 and (best is None or perimeter / mass < best[0]):
                best = perimeter / mass, level, levels
    return None if best is None else _region(best[2], best[1], measure, convex)


def _region(levels: _Levels, level: float, measure: Measure, convex: bool) -> Region:
    nodes = np.flatnonzero(levels.v > level)
    perimeter, outline = levels.perimeter(level), levels.outline(level)
    densities = [part for part in measure.parts if isinstance(part, Density)]
    mass = levels.mass(level) + sum(levels.missed(level, part) for part in densities)
    places = levels.places(level)
    if convex and _hull_length(places) < perimeter:
        perimeter, outline = _hull_length(places), (places[ConvexHull(places).vertices],)
    return Region(levels.mesh, nodes, perimeter, mass, outline)


def _is_convex(mesh: Mesh) -> bool:
    return bool(ConvexHull(mesh.points[mesh.boundary]).volume <= mesh.areas.sum() * (1 + 1e-9))


def _hull_length(places: Floats) -> float:
    middle = places.mean(axis=0) if len(places) else places
    if len(places) < 3 or np.linalg.svd(places - middle, compute_uv=False)[1] < 1e-9 * np.ptp(places):
        return np.inf  # on one straight line
    return float(ConvexHull(places).area)  # qhull calls it that in the plane


def _candidates(v: Floats, load: Floats) -> Floats:
    """Levels between 0 and the largest v, and between 0 and where the mass lies."""
    heavy = float(load @ v**2 / max(float(load @ v), 1e-300))
    shares = np.linspace(0.0, 1.0, LEVELS + 1)[1:] - 1 / (2 * LEVELS)
    levels = np.concatenate([[0.0], shares * v.max(), shares * heavy, [0.995 * heavy]])
    return np.asarray(levels[levels < v.max()], dtype=np.float64)


class _Levels:
    """All level regions of one function."""

    def __init__(self, mesh: Mesh, v: Floats, spread: Floats, curves: list[Curve]) -> None:
        self.mesh, self.v, self.spread = mesh, v, spread
        self.rim = mesh.boundary_edges
        ends = mesh.points[self.rim]
        self.rim_lengths = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1)
        self.wires = [_Wire(mesh, v, curve) for curve in curves]

    def perimeter(self, level: float) -> float:
        """Length of the level line inside, and of the boundary where v is above."""
        start, end = self._line(level)
        on_rim = self.rim_lengths @ _share_above(self.v[self.rim] - level)
        return float(np.linalg.norm(end - start, axis=1).sum() + on_rim)

    def mass(self, level: float) -> float:
        above = self._areas_above(level)
        return float(self.spread @ above) + sum(wire.above(level) for wire in self.wires)

    def missed(self, level: float, density: Density) -> float:
        """Return the density's mass above the level less what it would be if it were even over each triangle."""
        cut, *_ = self._cut(level)
        whole = self.mesh.triangles[cut]
        corners = np.broadcast_to(np.eye(3), (len(cut), 3, 3))
        polygons, owner = clip(corners, self.v[whole] - level)
        pieces, polygon = fan(polygons)
        above = density.moments(pieces @ self.mesh.points[whole[owner[polygon]]]).sum()
        even = self._areas_above(level)[cut] @ density.moments(self.mesh.points[whole]).sum(axis=1)
        return float(above - even)

    def places(self, level: float) -> Floats:
        """Return points (P, 2) of which the region's hull is the hull: the level line's, and boundary nodes above."""
        nodes = self.mesh.boundary[self.v[self.mesh.boundary] > level]
        return np.vstack([*self._line(level), self.mesh.points[nodes]])

    def outline(self, level: float) -> tuple[Floats, ...]:
        """Return the closed lines (K, 2) about {v > level}."""
        cut, lone, _ = self._cut(level)
        ends, sides = self.mesh.edges_and_sides
        count = len(ends)
        rows = np.arange(len(cut))
        # Side k joins corner k to the next one: the lone corner lies on its own side and on the one before.
        links = [np.column_stack([sides[cut][rows, lone], sides[cut][rows, (lone + 2) % 3]])]
        above = self.v[self.rim] > level
        keys = np.unique(ends[:, 0] * len(self.v) + ends[:, 1], return_index=True)
        sorted_rim = np.sort(self.rim, axis=1)
        place = keys[1][np.searchsorted(keys[0], sorted_rim[:, 0] * len(self.v) + sorted_rim[:, 1])]
        both, one = above.all(axis=1), above.sum(axis=1) == 1
        links.append(count + self.rim[both])
        inner = self.rim[one][np.arange(int(one.sum())), above[one].argmax(axis=1)]
        links.append(np.column_stack([place[one], count + inner]))
        low, high = ends.T
        rise = self.v[high] - self.v[low]
        share = (level - self.v[low]) / np.where(rise == 0, 1.0, rise)
        crossing = self.mesh.points[low] + share[:, None] * (self.mesh.points[high] - self.mesh.points[low])
        places = np.vstack([crossing, self.mesh.points])
        return tuple(places[loop] for loop in _loops(np.vstack(links)))

    def _cut(self, level: float) -> tuple[Integers, Integers, NDArray[np.bool_]]:
        """Which triangles the level cuts, their corner that is alone on its side, and whether that one is above."""
        above = self.v[self.mesh.triangles] > level
        number = above.sum(axis=1)
        cut = np.flatnonzero((number == 1) | (number == 2))
        lone_above = number[cut] == 1
        lone = np.where(lone_above, above[cut].argmax(axis=1), (~above[cut]).argmax(axis=1))
        return cut, lone, lone_above

    def _shares(self, level: float) -> tuple[Integers, Integers, NDArray[np.bool_], Floats]:
        """... and how far along its two sides (C, 2) the level is met from the lone corner."""
        cut, lone, lone_above = self._cut(level)
        heights, rows = self.v[self.mesh.triangles[cut]] - level, np.arange(len(cut))
        tip = heights[rows, lone]
        others = np.stack([heights[rows, (lone + k) % 3] for k in (1, 2)], axis=1)
        return cut, lone, lone_above, tip[:, None] / (tip[:, None] - others)

    def _line(self, level: float) -> tuple[Floats, Floats]:
        cut, lone, _, shares = self._shares(level)
        corners, rows = self.mesh.points[self.mesh.triangles[cut]], np.arange(len(cut))
        tip = corners[rows, lone]
        ends = [tip + shares[:, k - 1, None] * (corners[rows, (lone + k) % 3] - tip) for k in (1, 2)]
        return ends[0], ends[1]

    def _areas_above(self, level: float) -> Floats:
        """Share (T,) of each triangle's area where v is above."""
        cut, _, lone_above, shares = self._shares(level)
        part = np.where((self.v[self.mesh.triangles] > level).all(axis=1), 1.0, 0.0)
        tip = shares.prod(axis=1)
        part[cut] = np.where(lone_above, tip, 1 - tip)
        return part


class _Wire:
    """A loaded curve, cut by the mesh."""

    def __init__(self, mesh: Mesh, v: Floats, curve: Curve) -> None:
        pieces = cut_by_mesh(curve.vertices, mesh)
        corners = v[mesh.triangles[pieces.triangle]]
        self.ends = np.stack(
            [(pieces.start_shares * corners).sum(axis=1), (pieces.end_shares * corners).sum(axis=1)], axis=1
        )
        middle = (pieces.start + pieces.end) / 2
        weight = curve.factor * np.broadcast_to(np.asarray(curve.field(*middle.T)), (len(middle),))
        self.masses = weight * np.linalg.norm(pieces.end - pieces.start, axis=1)

    def above(self, level: float) -> float:
        return float(self.masses @ _share_above(self.ends - level))


def _share_above(heights: Floats) -> Floats:
    """Share (P,) of segments where the linear function with these end values (P, 2) is positive."""
    low, high = heights.min(axis=1), heights.max(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = high / (high - low)
    return np.where(low > 0, 1.0, np.where(high <= 0, 0.0, share))


def _loops(links: Integers) -> Iterator[Integers]:
    """Yield the closed walks through pairs of keys, where each key stands in two pairs."""
    neighbours: dict[int, list[int]] = {}
    for a, b in links.tolist():
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    while neighbours:
        first, last = next(iter(neighbours)), -1
        walk, here = [], first
        while here in neighbours:
            walk.append(here)
            ahead = neighbours.pop(here)
            last, here = here, next((key for key in ahead if key != last and key in neighbours), -1)
        yield np.array(walk)
