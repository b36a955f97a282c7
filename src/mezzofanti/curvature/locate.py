"""Which cell of a mesh a point lies in, and what a mesh function is there."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mezzofanti.curvature.mesh import Floats, Integers, Mesh

__all__ = ["cell_tree", "interpolate", "locate"]

SLACK = 1e-9  # in barycentric shares
NEAREST = (6, 40, 200)  # cells tried by distance of their centroids, until one holds the point


_TREES: WeakKeyDictionary[Mesh, cKDTree] = WeakKeyDictionary()


def cell_tree(mesh: Mesh) -> cKDTree:
    """Return the tree of the cells' centroids, built once a mesh."""
    if mesh not in _TREES:
        _TREES[mesh] = cKDTree(mesh.centroids)
    return _TREES[mesh]


def locate(mesh: Mesh, at: Floats) -> tuple[Integers, Floats]:
    """Return the cell (P,) that holds each point (P, n), -1 outside the mesh, and the point's shares (P, n + 1)."""
    tree = cell_tree(mesh)
    cell = np.full(len(at), -1, dtype=np.int64)
    shares = np.zeros((len(at), mesh.dimension + 1))
    left: NDArray[np.int64] = np.arange(len(at))
    for count in NEAREST:
        if not len(left):
            break
        near = tree.query(at[left], k=min(count, len(mesh.triangles)))[1].reshape(len(left), -1)
        local = _shares(mesh, near, at[left])
        least = local.min(axis=2)
        best = least.argmax(axis=1)
        rows = np.arange(len(left))
        found = least[rows, best] >= -SLACK
        cell[left[found]] = near[rows, best][found]
        shares[left[found]] = local[rows, best][found]
        left = left[~found]
    return cell, shares


def interpolate(mesh: Mesh, values: Floats, at: Floats) -> Floats:
    """Return the mesh function with nodal values (N,) at the points (P, n); NaN outside the mesh."""
    cell, shares = locate(mesh, at)
    inside = np.einsum("pc,pc->p", shares, values[mesh.triangles[cell]])
    return np.asarray(np.where(cell >= 0, inside, np.nan), dtype=np.float64)


def _shares(mesh: Mesh, cells: Integers, at: Floats) -> Floats:
    away = at[:, None] - mesh.centroids[cells]
    turned = np.einsum("pkcx,pkx->pkc", mesh.hat_gradients[cells], away)
    return np.asarray(turned + 1 / (mesh.dimension + 1), dtype=np.float64)
