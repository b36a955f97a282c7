"""Meshes of intervals, plane domains and bodies, with the coarser ones they were refined from.

Shape letters of this room: N nodes, T cells (intervals, triangles, tetrahedra), E edges, P points, n coordinates.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cached_property
from math import factorial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mezzofanti.curvature import shapes
from mezzofanti.curvature.refinement import EDGES, children
from mezzofanti.errors import ConfigurationError

__all__ = ["Floats", "Integers", "Mesh"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Map = Callable[[Floats], Floats]


class Mesh:
    """A conforming mesh of simplices in dimension n = 1, 2 or 3.

    points: (N, n) coordinates. triangles: (T, n + 1) corners, in either orientation; in one dimension they are
    intervals, in three tetrahedra. `coarser` is the mesh this one was refined from, or None; its nodes come first.
    Raises ConfigurationError for wrong shapes, unused nodes, cells without volume, and cells that overlap.
    """

    def __init__(self, points: ArrayLike, triangles: ArrayLike) -> None:
        from mezzofanti.curvature.checking import check_arrays, check_overlap

        nodes, corners = np.asarray(points, dtype=np.float64), np.asarray(triangles, dtype=np.int64)
        check_arrays(nodes, corners)
        self._set(nodes, _counterclockwise(nodes, corners))
        check_overlap(self)

    def _set(self, points: Floats, corners: Integers) -> None:
        self.points, self.triangles = points, corners
        self.coarser: Mesh | None = None
        self._midpoint_ends: Integers | None = None
        self._flat = points  # positions before `_map` bends them, as a disc bends a hexagon
        self._map: Map | None = None
        self._rim: Map | None = None  # puts boundary nodes back on a curved boundary

    @classmethod
    def _trusted(cls, points: Floats, corners: Integers) -> Mesh:
        mesh = cls.__new__(cls)
        mesh._set(points, corners)
        return mesh

    @classmethod
    def interval(cls, low: float = 0.0, high: float = 1.0, cells: int = 32) -> Mesh:
        """Return a uniform mesh of an interval."""
        return cls.box((low, high), cells=cells)

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
        return cls.box(x, y, cells=cells)

    @classmethod
    def box(cls, *intervals: Sequence[float], cells: int | Sequence[int] = 8) -> Mesh:
        """Return a uniform mesh of the product of one to three intervals, with so many cells along each.

        Even numbers of cells are halved as often as they go, so that a solver may begin on a coarse mesh.
        """
        pairs, counts = shapes.intervals_and_cells(intervals, cells)
        counts, times = shapes.coarsest(counts)
        axes = [np.linspace(low, high, count + 1) for (low, high), count in zip(pairs, counts, strict=True)]
        return cls.grid(*axes).refined(times)

    @classmethod
    def grid(cls, *axes: ArrayLike) -> Mesh:
        """Return the grid of these increasing coordinates, one array an axis; the last runs fastest in `points`."""
        return cls(*shapes.grid([np.asarray(axis, dtype=np.float64) for axis in axes]))

    @classmethod
    def disc(cls, radius: float = 1.0, center: Sequence[float] = (0.0, 0.0), refinement: int = 5) -> Mesh:
        """Return a disc of concentric rings: 2**refinement rings, ring k of 6k nodes.

        A circle about the center whose radius is a dyadic share of `radius` is therefore a mesh line.
        """
        return cls._round(shapes.hexagon(), shapes.bend_hexagon, radius, center, refinement)

    @classmethod
    def ball(
        cls, radius: float = 1.0, center: Sequence[float] = (0.0, 0.0, 0.0), refinement: int = 3
    ) -> Mesh:
        """Return a ball of concentric spheres: 2**refinement of them; refinement 3 is 4096 tetrahedra."""
        return cls._round(shapes.octahedron(), shapes.bend_octahedron, radius, center, refinement)

    @classmethod
    def _round(
        cls,
        start: tuple[Floats, Integers],
        bend: Map,
        radius: float,
        center: Sequence[float],
        refinement: int,
    ) -> Mesh:
        flat, corners = start
        if not (radius > 0 and refinement >= 1 and len(center) == flat.shape[1]):
            raise ConfigurationError(
                f"A disc of radius {radius} about {tuple(center)} at refinement {refinement} cannot be meshed.",
                cure="Give a positive radius and a refinement of 1 or more (5 is 3169 nodes, 6 is four times as many).",
            )
        middle = np.asarray(center, dtype=np.float64)
        mesh = cls(middle + radius * flat, corners)
        mesh._flat = flat
        mesh._map = lambda flat: middle + radius * bend(flat)
        mesh._rim = lambda rim: (
            middle + radius * (rim - middle) / np.linalg.norm(rim - middle, axis=1)[:, None]
        )
        return mesh.refined(refinement)

    @classmethod
    def polygon(cls, corners: ArrayLike, size: float = 0.1) -> Mesh:
        """Return a mesh of a polygon with corners (K, 2) and sides near `size`. Raises where it crosses itself."""
        from mezzofanti.curvature.polygons import triangulated

        return cls(*triangulated(corners, size))

    @classmethod
    def read(cls, path: Path | str) -> Mesh:
        """Read a mesh: JSON {"points": [[x, y], ...], "triangles": [[a, b, c], ...]}, or what meshio reads.

        Raises DataError for a file that is absent or holds no mesh, MissingExtraError where meshio is not installed.
        """
        from mezzofanti.curvature.meshfiles import read_mesh

        return cls(*read_mesh(Path(path)))

    def write(self, path: Path | str, **point_data: ArrayLike) -> Path:
        """Write the mesh, with values (N,) at the nodes by name, to JSON or to what meshio writes (.vtu, .xdmf)."""
        from mezzofanti.curvature.meshfiles import write_mesh

        return write_mesh(self, Path(path), {name: np.asarray(value) for name, value in point_data.items()})

    def refined(self, times: int = 1) -> Mesh:
        """Return this mesh with every cell cut into 2**n, `times` times over."""
        mesh = self
        for _ in range(times):
            mesh = mesh._cut()
        return mesh

    def _cut(self) -> Mesh:
        ends, sides = self.edges_and_sides
        flat = np.vstack([self._flat, self._flat[ends].mean(axis=1)])
        pieces = children(self.triangles, len(self.points) + sides)
        fine = Mesh._trusted(flat if self._map is None else self._map(flat), pieces)
        if self._rim is not None:
            fine.points[fine.boundary] = self._rim(fine.points[fine.boundary])
        fine.coarser, fine._midpoint_ends = self, ends
        fine._flat = fine.points if self._map is None else flat
        fine._map, fine._rim = self._map, self._rim
        return fine

    def moved(self, points: Floats) -> Mesh:
        """Return this mesh with its nodes at other places (N, n); a disc stays round when it is refined."""
        other = Mesh(points, self.triangles)
        other.coarser, other._midpoint_ends, other._rim = self.coarser, self._midpoint_ends, self._rim
        return other

    def prolong(self, coarse_values: Floats) -> Floats:
        """Carry nodal values (coarse N,) of `coarser` to this mesh (N,): midpoints get the mean of their ends."""
        if self._midpoint_ends is None:
            raise ConfigurationError("This mesh was not refined from another.", cure="Use Mesh.refined().")
        return np.concatenate([coarse_values, coarse_values[self._midpoint_ends].mean(axis=1)])

    @property
    def dimension(self) -> int:
        """Number of coordinates n."""
        return int(self.points.shape[1])

    @cached_property
    def edges_and_sides(self) -> tuple[Integers, Integers]:
        """Ends of each edge (E, 2), and the edges of each cell, in the plane (T, 3): first to second corner on."""
        pairs = np.sort(self.triangles[:, EDGES[self.dimension]], axis=2)
        keys, inverse = np.unique(pairs[..., 0] * len(self.points) + pairs[..., 1], return_inverse=True)
        ends = np.column_stack(np.divmod(keys, len(self.points)))
        return ends, inverse.reshape(pairs.shape[:2])

    @property
    def edges(self) -> Integers:
        """Ends (E, 2) of the edges."""
        return self.edges_and_sides[0]

    @cached_property
    def faces_and_sides(self) -> tuple[Integers, Integers]:
        """Corners (F, n) of what separates cells (nodes, edges or triangles), and the faces of each cell."""
        if self.dimension == 2:
            return self.edges_and_sides
        chosen = np.array(list(itertools.combinations(range(self.dimension + 1), self.dimension)))
        corners = np.sort(self.triangles[:, chosen], axis=2)
        powers = len(self.points) ** np.arange(self.dimension - 1, -1, -1)
        _, first, inverse = np.unique(corners @ powers, return_index=True, return_inverse=True)
        faces = corners.reshape(-1, self.dimension)[first]
        return faces, inverse.reshape(corners.shape[:2])

    @cached_property
    def boundary_faces(self) -> Integers:
        """Corners (B, n) of the faces that belong to one cell only: the edges of the boundary in the plane."""
        faces, sides = self.faces_and_sides
        return np.asarray(faces[np.bincount(sides.ravel(), minlength=len(faces)) == 1], dtype=np.int64)

    @property
    def boundary_edges(self) -> Integers:
        """Ends (E, 2) of the edges on the boundary of a plane mesh."""
        return self.boundary_faces

    @cached_property
    def boundary(self) -> Integers:
        """Indices of the nodes on the boundary."""
        return np.unique(self.boundary_faces)

    @cached_property
    def interior(self) -> Integers:
        """Indices of the nodes that are not on the boundary."""
        return np.flatnonzero(np.bincount(self.boundary, minlength=len(self.points)) == 0).astype(np.int64)

    @cached_property
    def perimeter(self) -> float:
        """Measure of the boundary: two for an interval, a length in the plane, an area in space."""
        corners = self.points[self.boundary_faces]
        spans = corners[:, 1:] - corners[:, :1]
        gram = (
            np.linalg.det(spans @ spans.transpose(0, 2, 1)) if self.dimension > 1 else np.ones(len(corners))
        )
        return float(np.sqrt(gram).sum() / factorial(self.dimension - 1))

    @cached_property
    def diameter(self) -> float:
        """Diagonal of the box around the mesh."""
        return float(np.linalg.norm(np.ptp(self.points, axis=0)))

    @cached_property
    def areas(self) -> Floats:
        """Volume (T,) of each cell: length, area or volume as the dimension is 1, 2 or 3."""
        return np.asarray(np.abs(signed_volumes(self.points[self.triangles])), dtype=np.float64)

    @cached_property
    def hat_gradients(self) -> Floats:
        """Gradient (T, n + 1, n) on each cell of the hat function of each of its corners."""
        corners = self.points[self.triangles]
        if self.dimension == 2:
            opposite = np.roll(corners, -2, axis=1) - np.roll(corners, -1, axis=1)
            turned = np.stack([-opposite[..., 1], opposite[..., 0]], axis=2)
            return np.asarray(turned / (2 * self.areas[:, None, None]), dtype=np.float64)
        later = np.linalg.inv(corners[:, 1:] - corners[:, :1]).transpose(0, 2, 1)
        return np.concatenate([-later.sum(axis=1, keepdims=True), later], axis=1)

    @cached_property
    def centroids(self) -> Floats:
        """Centre of mass (T, n) of each cell."""
        return np.asarray(self.points[self.triangles].mean(axis=1), dtype=np.float64)

    def __repr__(self) -> str:
        kind = {1: "intervals", 2: "triangles", 3: "tetrahedra"}[self.dimension]
        return f"Mesh({len(self.points)} nodes, {len(self.triangles)} {kind})"


def signed_volumes(corners: Floats) -> Floats:
    """Return the volume (T,) of simplices (T, n + 1, n), negative where the corners go the other way round."""
    spans = corners[:, 1:] - corners[:, :1]
    if spans.shape[1] == 2:
        first, second = spans[:, 0], spans[:, 1]
        return np.asarray(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0], dtype=np.float64) / 2
    return np.asarray(np.linalg.det(spans) / factorial(spans.shape[1]), dtype=np.float64)


def _counterclockwise(points: Floats, corners: Integers) -> Integers:
    """Turn triangles one way round. Tetrahedra keep the order of their corners, which refinement relies on."""
    if points.shape[1] != 2:
        return corners
    turned = signed_volumes(points[corners]) < 0
    return np.asarray(np.where(turned[:, None], corners[:, [0, 2, 1]], corners), dtype=np.int64)
