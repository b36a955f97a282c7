"""What a Newton step does to every cell, as a few products over long arrays: this is where large films spend time.

D is the sparse matrix (nT, N) that takes heights to slopes, one coordinate after another. Along each edge ab the second
variation has the entry sum over its cells of |K| / q (D phi_a . D phi_b - (D phi_a . g)(D phi_b . g)); because hats sum
to 1, a node's own entry is minus the sum of those along its edges.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import sparse

from mezzofanti.curvature.mesh import Floats, Integers, Mesh
from mezzofanti.curvature.refinement import EDGES

__all__ = ["Kernels"]


class Kernels:
    """Slopes, their adjoint and the matrix of the second variation on one mesh. Cells come last: (n, T)."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh

    @cached_property
    def hats(self) -> Floats:
        """Gradients (n + 1, n, T) of the hat functions."""
        return np.ascontiguousarray(self.mesh.hat_gradients.transpose(1, 2, 0))

    @cached_property
    def derivative(self) -> sparse.csr_matrix:
        """D."""
        corners, each, dimension = self.mesh.triangles, self.mesh.dimension + 1, self.mesh.dimension
        data = self.mesh.hat_gradients.transpose(2, 0, 1).ravel()
        columns = np.tile(corners.ravel().astype(np.int32), dimension)
        starts = np.arange(0, len(data) + 1, each, dtype=np.int32)
        return sparse.csr_matrix((data, columns, starts), shape=(len(starts) - 1, len(self.mesh.points)))

    def slope(self, u: Floats) -> Floats:
        """Return Du (n, T)."""
        return np.asarray((self.derivative @ u).reshape(self.mesh.dimension, -1), dtype=np.float64)

    def gather(self, flux: Floats) -> Floats:
        """Return the integrals (N,) of g . D phi_i for g (n, T)."""
        return np.asarray(self.derivative.T @ (self.mesh.areas * flux).ravel(), dtype=np.float64)

    def matrix(self, slope: Floats, root: Floats) -> sparse.csr_matrix:
        """Return the second variation between interior nodes for Du (n, T) and q = sqrt(1 + |Du|^2) (T,)."""
        first, second = EDGES[self.mesh.dimension].T
        along = (self.hats * (slope / root)).sum(axis=1)
        local = (self._products - along[first] * along[second]) * (self.mesh.areas / root)
        ends, sides = self.mesh.edges_and_sides
        joined = np.bincount(sides.T.ravel(), local.ravel(), minlength=len(ends))
        low, high = (np.bincount(end, joined, minlength=len(self.mesh.points)) for end in ends.T)
        kept, order, columns, starts = self._sparsity
        entries = np.concatenate([-(low + high)[self.mesh.interior], joined[kept], joined[kept]])
        count = len(self.mesh.interior)
        return sparse.csr_matrix((entries[order], columns, starts), shape=(count, count))

    @cached_property
    def _products(self) -> Floats:
        """D phi_a . D phi_b (edges of a cell, T)."""
        first, second = EDGES[self.mesh.dimension].T
        return np.asarray((self.hats[first] * self.hats[second]).sum(axis=1), dtype=np.float64)

    @cached_property
    def _sparsity(self) -> tuple[Integers, Integers, Integers, Integers]:
        """Which edges join interior nodes, the order of entries in the matrix, its columns and row starts."""
        inside, count = self.mesh.interior, len(self.mesh.interior)
        unknown = np.full(len(self.mesh.points), -1, dtype=np.int64)
        unknown[inside] = np.arange(count)
        both = unknown[self.mesh.edges]
        kept = np.flatnonzero((both >= 0).all(axis=1))
        low, high = both[kept].T
        rows = np.concatenate([np.arange(count), low, high])
        columns = np.concatenate([np.arange(count), high, low])
        # Sorted by counting, with the place of each entry as its value.
        places = sparse.coo_matrix((np.arange(len(rows)), (rows, columns)), shape=(count, count)).tocsr()
        return kept, places.data, places.indices, places.indptr
