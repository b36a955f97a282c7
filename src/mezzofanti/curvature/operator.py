"""The area of a graph under a load, its first variation and its second.

J(u) = integral of sqrt(1 + |Du|^2) dx + integral of u d nu, over u with given boundary values. It is convex, and
its Euler equation is div(Du / sqrt(1 + |Du|^2)) = nu: the mean curvature measure of u is the load.
On a cell with slope p and q = sqrt(1 + |p|^2) the second variation is (I - p p^T / q^2) / q, positive definite.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from mezzofanti.curvature.kernels import Kernels
from mezzofanti.curvature.mesh import Floats, Mesh

__all__ = ["AreaOperator", "lengths"]


def lengths(vectors: Floats) -> Floats:
    """Return the length (T,) of each vector (T, n)."""
    return np.asarray(np.sqrt(np.einsum("tx,tx->t", vectors, vectors)), dtype=np.float64)


class AreaOperator:
    """J and its derivatives for continuous, piecewise linear u (N,) on one mesh, in any dimension n."""

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.kernels = Kernels(mesh)

    def slope(self, u: Floats) -> Floats:
        """Return Du (T, n)."""
        return self.kernels.slope(u).T

    def flux(self, u: Floats) -> Floats:
        """Return g = Du / sqrt(1 + |Du|^2) (T, n); |g| < 1, and 1 would be a vertical wall."""
        slope = self.kernels.slope(u)
        return np.asarray((slope / _root(slope)).T, dtype=np.float64)

    def area(self, u: Floats) -> float:
        """Return the area of the graph."""
        return float(self.mesh.areas @ _root(self.kernels.slope(u)))

    def change(self, u: Floats, step: Floats, load: Floats) -> float:
        """Return J(u + step) - J(u), summed over cells as differences so that no digits cancel."""
        before, turn = self.kernels.slope(u), self.kernels.slope(step)
        after = before + turn
        gained = (turn * (before + after)).sum(axis=0) / (_root(before) + _root(after))
        return float(self.mesh.areas @ gained + load @ step)

    def residual(self, u: Floats, load: Floats) -> Floats:
        """Return J'(u) (N,): integral of g . D phi_i + load_i. Only interior entries are equations."""
        return np.asarray(load + self.kernels.gather(self.flux(u).T), dtype=np.float64)

    def jacobian(self, u: Floats) -> sparse.csr_matrix:
        """Return J''(u) between interior nodes, symmetric and positive definite."""
        slope = self.kernels.slope(u)
        return self.kernels.matrix(slope, _root(slope))


def _root(slope: Floats) -> Floats:
    """Return q = sqrt(1 + |Du|^2) (T,) for Du (n, T)."""
    return np.asarray(np.hypot(1.0, np.sqrt((slope**2).sum(axis=0))), dtype=np.float64)
