"""Triangulations of plane domains, with the coarser ones they were refined from.

Shape letters of this room: N nodes, T triangles, E edges, P points, 2 coordinates, 3 corners of a triangle.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mezzofanti.errors import ConfigurationError, DataError

__all__ = ["Floats", "Integers", "Mesh"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Map = Callable[[Floats], Floats]

COARSEST = 4  # A rectangle's divisions are halved down to this many to build the coarser meshes.


class Mesh:
    """A conforming triangulation.

    points: (N, 2) coordinates. triangles: (T, 3) indices of corners, in either orientation.
    `coarser` is the mesh this one was refined from, or None; its nodes come first in `points`.
    Raises ConfigurationError for wrong shapes, unused nodes and triangles without area.
    """

    def __init__(self, points: ArrayLike, triangles: ArrayLike) -> None:
        self.points = np.asarray(points, dtype=np.float64)
        corners = np.asarray(triangles, dtype=np.int64)
        _check(self.points, corners)
        turned = _signed_areas(self.points[corners]) < 0
        corners = np.where(turned[:, None], corners[:, [0, 2, 1]], corners)
        self.triangles = corners
        self.coarser: Mesh | None = None
        self._midpoint_ends: Integers | None = None
        self._flat = self.points  # positions before `_map` bends them, as a disc bends a hexagon
        self._map: Map | None = None
        self._rim: Map | None = None  # puts boundary nodes back on a curved boundary

    @classmethod
    def rectangle(
        cls,
        x: Sequence[float] = (0.0, 1.0),
        y: Sequence[float] = (0.0, 1.0),
        divisions: int | tuple[int, int] | None = None,
        *,
        cells: int | tuple[int, int] = 32,
    ) -> Mesh:
        """Return a uniform mesh of right triangles on the intervals x and y, with so many cells along each.

        Even numbers of cells are halved as often as they go, so that a solver may begin on a coarse mesh.
        An older form, rectangle(lower corner, upper corner, divisions), is still understood.
        """
        if divisions is not None:
            lower, upper = ((0.0, 0.0), (1.0, 1.0)) if (x, y) == ((0.0, 1.0), (0.0, 1.0)) else (x, y)
            x, y, cells = (lower[0], upper[0]), (lower[1], upper[1]), divisions
        across, up = (cells, cells) if isinstance(cells, int) else cells
        if not (across >= 1 and up >= 1 and x[1] > x[0] and y[1] > y[0]):
            raise ConfigurationError(
                f"A rectangle of x from {x[0]:g} to {x[1]:g} and y from {y[0]:g} to {y[1]:g} with {across} x {up} "
                "cells is empty.",
                cure="Give increasing intervals, such as rectangle((-1, 1), (-1, 1), cells=64), and at least one cell.",
            )
        times = 0
        while across % 2 == 0 and up % 2 == 0 and min(across, up) > COARSEST:
            across, up, times = across // 2, up // 2, times + 1
        return _grid((x[0], y[0]), (x[1], y[1]), across, up).refined(times)

    @classmethod
    def disc(cls, radius: float = 1.0, center: Sequence[float] = (0.0, 0.0), refinement: int = 5) -> Mesh:
        """Return a disc of concentric rings: 2**refinement rings, ring k of 6k nodes.

        A circle about the center whose radius is a dyadic share of `radius` is therefore a mesh line.
        """
        if not (radius > 0 and refinement >= 1):
            raise ConfigurationError(
                f"A disc of radius {radius} at refinement {refinement} cannot be meshed.",
                cure="Give a positive radius and a refinement of 1 or more (5 is 3169 nodes, 6 is four times as many).",
            )
        angles = np.arange(6) * np.pi / 3
        hexagon = np.vstack([[0.0, 0.0], np.column_stack([np.cos(angles), np.sin(angles)])])
        fan = [(0, k + 1, (k + 1) % 6 + 1) for k in range(6)]
        middle = np.asarray(center, dtype=np.float64)
        mesh = cls(middle + radius * hexagon, fan)
        mesh._flat = hexagon
        mesh._map = lambda flat: middle + radius * _hexagon_to_disc(flat)
        mesh._rim = lambda rim: middle + radius * (rim - middle) / np.hypot(*(rim - middle).T)[:, None]
        return mesh.refined(refinement)

    @classmethod
    def read(cls, path: Path | str) -> Mesh:
        """Read {"points": [[x, y], ...], "triangles": [[a, b, c], ...]} from JSON. Raises DataError."""
        try:
            content: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))
            return cls(content["points"], content["triangles"])
        except FileNotFoundError:
            raise DataError(f"There is no mesh file {path}.", cure="Check the path.") from None
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path} does not hold a triangle mesh ({error}).",
                cure='Write {"points": [[x, y], ...], "triangles": [[a, b, c], ...]} with indices from 0.',
            ) from None

    def refined(self, times: int = 1) -> Mesh:
        """Return this mesh with every triangle cut into four, `times` times over."""
        mesh = self
        for _ in range(times):
            mesh = mesh._cut_in_four()
        return mesh

    def _cut_in_four(self) -> Mesh:
        ends, edges_T3 = self.edges_and_sides
        count = len(self.points)
        flat = np.vstack([self._flat, self._flat[ends].mean(axis=1)])
        a, b, c = self.triangles.T
        ab, bc, ca = (count + edges_T3).T
        pieces = np.vstack(
            [np.column_stack(t) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        )
        fine = Mesh(flat if self._map is None else self._map(flat), pieces)
        if self._rim is not None:
            fine.points[fine.boundary] = self._rim(fine.points[fine.boundary])
        fine.coarser, fine._midpoint_ends = self, ends
        fine._flat = fine.points if self._map is None else flat
        fine._map, fine._rim = self._map, self._rim
        return fine

    def moved(self, points: Floats) -> Mesh:
        """Return this mesh with its nodes at other places (N, 2); a disc stays round when it is refined."""
        other = Mesh(points, self.triangles)
        other.coarser, other._midpoint_ends, other._rim = self.coarser, self._midpoint_ends, self._rim
        return other

    def prolong(self, coarse_values: Floats) -> Floats:
        """Carry nodal values (coarse N,) of `coarser` to this mesh (N,): midpoints get the mean of their ends."""
        if self._midpoint_ends is None:
            raise ConfigurationError("This mesh was not refined from another.", cure="Use Mesh.refined().")
        return np.concatenate([coarse_values, coarse_values[self._midpoint_ends].mean(axis=1)])

    @cached_property
    def edges_and_sides(self) -> tuple[Integers, Integers]:
        """Ends of each edge (E, 2), and the edges (T, 3) of each triangle: first to second corner and so on."""
        pairs = np.sort(np.stack([self.triangles, np.roll(self.triangles, -1, axis=1)], axis=2), axis=2)
        keys, inverse = np.unique(pairs[..., 0] * len(self.points) + pairs[..., 1], return_inverse=True)
        ends = np.column_stack(np.divmod(keys, len(self.points)))
        return ends, inverse.reshape(self.triangles.shape)

    @property
    def edges(self) -> Integers:
        """Ends (E, 2) of the edges."""
        return self.edges_and_sides[0]

    @cached_property
    def boundary_edges(self) -> Integers:
        """Ends (E, 2) of the edges that belong to one triangle only."""
        ends, edges_T3 = self.edges_and_sides
        return np.asarray(ends[np.bincount(edges_T3.ravel(), minlength=len(ends)) == 1], dtype=np.int64)

    @cached_property
    def boundary(self) -> Integers:
        """Indices of the nodes on the boundary."""
        return np.unique(self.boundary_edges)

    @cached_property
    def interior(self) -> Integers:
        """Indices of the nodes that are not on the boundary."""
        return np.asarray(np.setdiff1d(np.arange(len(self.points)), self.boundary), dtype=np.int64)

    @cached_property
    def perimeter(self) -> float:
        """Length of the boundary."""
        ends = self.points[self.boundary_edges]
        return float(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).sum())

    @cached_property
    def diameter(self) -> float:
        """Diagonal of the box around the mesh."""
        return float(np.linalg.norm(np.ptp(self.points, axis=0)))

    @cached_property
    def areas(self) -> Floats:
        """Area (T,) of each triangle."""
        return _signed_areas(self.points[self.triangles])

    @cached_property
    def hat_gradients(self) -> Floats:
        """Gradient (T, 3, 2) on each triangle of the hat function of each of its corners."""
        corners = self.points[self.triangles]
        opposite = np.roll(corners, -2, axis=1) - np.roll(corners, -1, axis=1)
        turned = np.stack([-opposite[..., 1], opposite[..., 0]], axis=2)
        return np.asarray(turned / (2 * self.areas[:, None, None]), dtype=np.float64)

    @cached_property
    def centroids(self) -> Floats:
        """Centre of mass (T, 2) of each triangle."""
        return np.asarray(self.points[self.triangles].mean(axis=1), dtype=np.float64)

    def __repr__(self) -> str:
        return f"Mesh({len(self.points)} nodes, {len(self.triangles)} triangles)"


def _grid(lower: Sequence[float], upper: Sequence[float], across: int, up: int) -> Mesh:
    x, y = np.meshgrid(np.linspace(lower[0], upper[0], across + 1), np.linspace(lower[1], upper[1], up + 1))
    corner = (np.arange(up)[:, None] * (across + 1) + np.arange(across)).ravel()
    right, above, opposite = corner + 1, corner + across + 1, corner + across + 2
    below_diagonal = np.column_stack([corner, right, opposite])
    above_diagonal = np.column_stack([corner, opposite, above])
    return Mesh(np.column_stack([x.ravel(), y.ravel()]), np.vstack([below_diagonal, above_diagonal]))


def _hexagon_to_disc(flat: Floats) -> Floats:
    """Send each hexagon about the origin to the circle through its corners, and its sides to equal arcs."""
    angle = np.arctan2(flat[:, 1], flat[:, 0])
    corner = np.floor(angle / (np.pi / 3)) * (np.pi / 3)
    within = angle - corner
    ring = np.hypot(flat[:, 0], flat[:, 1]) * np.cos(within - np.pi / 6) / np.cos(np.pi / 6)
    # A point a share s along the hexagon's side is seen under tan(within - 30 degrees) = (2 s - 1) tan(30 degrees).
    share = (np.tan(within - np.pi / 6) / np.tan(np.pi / 6) + 1) / 2
    bent = corner + share * np.pi / 3
    return np.column_stack([ring * np.cos(bent), ring * np.sin(bent)])


def _signed_areas(corners: Floats) -> Floats:
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0], dtype=np.float64) / 2


def _check(points: Floats, triangles: Integers) -> None:
    if points.ndim != 2 or points.shape[1] != 2 or triangles.ndim != 2 or triangles.shape[1] != 3:
        raise ConfigurationError(
            f"A mesh needs points (N, 2) and triangles (T, 3), not {points.shape} and {triangles.shape}.",
            cure="Drop the third coordinate of a plane mesh, and keep its triangles only.",
        )
    if not np.isfinite(points).all():
        raise ConfigurationError("A node of the mesh is not finite.", cure="Check the coordinates.")
    if triangles.size == 0 or triangles.min() < 0 or set(np.unique(triangles)) != set(range(len(points))):
        raise ConfigurationError(
            "The triangles name nodes that do not exist, or leave some out.",
            cure="Count nodes from 0 and remove those that no triangle uses.",
        )
    if np.abs(_signed_areas(points[triangles])).min() <= 1e-14 * np.ptp(points, axis=0).max() ** 2:
        raise ConfigurationError("A triangle of the mesh has no area.", cure="Remove or move it.")
