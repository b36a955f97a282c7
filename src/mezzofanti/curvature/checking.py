"""What a mesh given from outside must be: each fault is named with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mezzofanti.errors import ConfigurationError

if TYPE_CHECKING:
    from mezzofanti.curvature.mesh import Mesh

__all__ = ["check_arrays", "check_overlap", "place"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def place(point: Floats) -> str:
    """Return (x, y) as one writes it."""
    return f"({', '.join(f'{x + 0.0:g}' for x in np.atleast_1d(point))})"


def check_arrays(points: Floats, simplices: Integers) -> None:
    """Raise ConfigurationError for wrong shapes, nodes that are not finite or not used, cells without volume."""
    from mezzofanti.curvature.mesh import signed_volumes

    shapes_fit = points.ndim == 2 and simplices.ndim == 2 and simplices.shape[1] == points.shape[1] + 1
    if not shapes_fit or points.shape[1] not in (1, 2, 3):
        raise ConfigurationError(
            f"A mesh needs points (N, n) and cells (T, n + 1), not {points.shape} and {simplices.shape}.",
            cure="Drop the third coordinate of a plane mesh, and keep its triangles only.",
        )
    if not np.isfinite(points).all():
        wrong = int(np.argmin(np.isfinite(points).all(axis=1)))
        raise ConfigurationError(f"Node {wrong} of the mesh is not finite.", cure="Check the coordinates.")
    unknown = (simplices < 0) | (simplices >= len(points))
    if unknown.any():
        raise ConfigurationError(
            f"Cell {int(np.argmax(unknown.any(axis=1)))} names node {simplices[unknown][0]}, "
            f"and nodes are 0 to {len(points) - 1}.",
            cure="Count nodes from 0.",
        )
    used = np.zeros(len(points), dtype=bool)
    used[simplices] = True
    if not used.all() or not len(points):
        raise ConfigurationError(
            f"No cell uses node {int(np.argmin(used))}." if len(points) else "The mesh has no nodes.",
            cure="Remove nodes that no cell uses.",
        )
    volumes = np.abs(signed_volumes(points[simplices]))
    if volumes.min() <= 1e-14 * np.ptp(points, axis=0).max() ** points.shape[1]:
        where = place(points[simplices[np.argmin(volumes)]].mean(axis=0))
        raise ConfigurationError(
            f"Cell {int(np.argmin(volumes))} of the mesh has no volume, at {where}.",
            cure="Remove or move it.",
        )


def check_overlap(mesh: Mesh) -> None:
    """Raise ConfigurationError where more than two cells share a face, or two lie on the same side of one.

    The second is what a cell turned inside out looks like: it covers its neighbours.
    """
    faces, sides = mesh.faces_and_sides
    owners = np.argsort(sides.ravel(), kind="stable") // sides.shape[1]
    counts = np.bincount(sides.ravel(), minlength=len(faces))
    if counts.max() > 2:
        where = place(mesh.points[faces[np.argmax(counts)]].mean(axis=0))
        raise ConfigurationError(
            f"{counts.max()} cells share one face, at {where}.", cure="Remove the cells that lie twice."
        )
    shared = np.flatnonzero(counts == 2)
    first = np.concatenate([[0], np.cumsum(counts)])[shared]
    sides_of = [_side(mesh, faces[shared], owners[first + k]) for k in range(2)]
    same = sides_of[0] * sides_of[1] > 0
    if same.any():
        where = place(mesh.points[faces[shared[np.argmax(same)]]].mean(axis=0))
        raise ConfigurationError(
            f"Two cells overlap at {where} (cells {owners[first[np.argmax(same)]]} and "
            f"{owners[first[np.argmax(same)] + 1]}): one is turned inside out.",
            cure="Put its corners where they belong; a node moved across the opposite side does this.",
        )


def _side(mesh: Mesh, faces: Integers, cells: Integers) -> Floats:
    """Return on which side (F,) of each face its cell lies: the sign of the volume over the centroid."""
    from mezzofanti.curvature.mesh import signed_volumes

    corners = np.concatenate([mesh.points[faces], mesh.centroids[cells][:, None]], axis=1)
    return np.sign(signed_volumes(corners))
