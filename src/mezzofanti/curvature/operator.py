"""The area of a graph under a load, its first variation and its second.

J(u) = integral of sqrt(1 + |Du|^2) dx + integral of u d nu, over u with given boundary values. It is convex, and
its Euler equation is div(Du / sqrt(1 + |Du|^2)) = nu: the mean curvature measure of u is the load.
On a cell with slope p and q = sqrt(1 + |p|^2) the second variation is (I - p p^T / q^2) / q, positive definite.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mezzofanti.curvature.mesh import Floats, Integers, Mesh

__all__ = ["AreaOperator", "lengths"]


def lengths(vectors: Floats) -> Floats:
    """Return the length (T,) of each vector (T, n)."""
    return np.asarray(np.sqrt(np.einsum("tx,tx->t", vectors, vectors)), dtype=np.float64)


class AreaOperator:
    """J and its derivatives for continuous, piecewise linear u (N,) on one mesh, in any dimension n."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh

    def slope(self, u: Floats) -> Floats:
        """Return Du (T, n)."""
        slope = np.einsum("tcx,tc->tx", self.mesh.hat_gradients, u[self.mesh.triangles])
        return np.asarray(slope, dtype=np.float64)

    def flux(self, u: Floats) -> Floats:
        """Return g = Du / sqrt(1 + |Du|^2) (T, n); |g| < 1, and 1 would be a vertical wall."""
        slope = self.slope(u)
        return np.asarray(slope / np.hypot(1.0, lengths(slope))[:, None], dtype=np.float64)

    def area(self, u: Floats) -> float:
        """Return the area of the graph."""
        slope = self.slope(u)
        return float(self.mesh.areas @ np.hypot(1.0, lengths(slope)))

    def change(self, u: Floats, step: Floats, load: Floats) -> float:
        """Return J(u + step) - J(u), summed over triangles as differences so that no digits cancel."""
        before, turn = self.slope(u), self.slope(step)
        after = before + turn
        roots = np.hypot(1.0, lengths(before)) + np.hypot(1.0, lengths(after))
        gained = np.einsum("tx,tx->t", turn, before + after) / roots
        return float(self.mesh.areas @ gained + load @ step)

    def residual(self, u: Floats, load: Floats) -> Floats:
        """Return J'(u) (N,): integral of g . D phi_i + load_i. Only interior entries are equations."""
        flux = self.flux(u)
        local = np.einsum("t,tcx,tx->tc", self.mesh.areas, self.mesh.hat_gradients, flux)
        return load + np.bincount(self.mesh.triangles.ravel(), local.ravel(), minlength=len(u))

    def jacobian(self, u: Floats) -> sparse.csr_matrix:
        """Return J''(u) between interior nodes, symmetric and positive definite."""
        slope = self.slope(u)
        root = np.hypot(1.0, lengths(slope))
        hats = self.mesh.hat_gradients
        along = np.einsum("tcx,tx->tc", hats, slope / root[:, None])
        local = np.einsum("tax,tbx->tab", hats, hats) - along[:, :, None] * along[:, None, :]
        local *= (self.mesh.areas / root)[:, None, None]
        kept, slots, columns, starts = self._sparsity
        data = np.bincount(slots, local.ravel()[kept], minlength=len(columns))
        count = len(self.mesh.interior)
        return sparse.csr_matrix((data, columns, starts), shape=(count, count))

    @cached_property
    def _sparsity(self) -> tuple[NDArray[np.bool_], Integers, Integers, Integers]:
        """Which local entries join interior nodes, where each goes, and the matrix's columns and row starts."""
        count = len(self.mesh.interior)
        unknown = np.full(len(self.mesh.points), -1, dtype=np.int64)
        unknown[self.mesh.interior] = np.arange(count)
        corners = unknown[self.mesh.triangles]
        each = corners.shape[1]
        row = np.repeat(corners, each, axis=1).ravel()
        column = np.tile(corners, (1, each)).ravel()
        kept = (row >= 0) & (column >= 0)
        keys, slots = np.unique(row[kept] * count + column[kept], return_inverse=True)
        rows, columns = np.divmod(keys, count)
        return kept, slots, columns, np.searchsorted(rows, np.arange(count + 1))
