"""The mean curvature measure of a given function, read off without a second derivative.

mu_h({i}) = - integral of g_h . D phi_i, with g_h = Du / sqrt(1 + |Du|^2) piecewise constant. It is exact for
creases on mesh edges, and because |g_h| < 1 the mass of any set of nodes is at most the total variation of the sum
of their hats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mezzofanti.curvature.measures import Field, evaluate
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.operator import AreaOperator
from mezzofanti.errors import ConfigurationError

__all__ = ["NodalMeasure", "mean_curvature_measure", "nodal_values"]


@dataclass(frozen=True, eq=False)
class NodalMeasure:
    """A measure that lives on the nodes of a mesh: masses (N,), zero on the boundary, which is not in the domain."""

    mesh: Mesh
    masses: Floats

    def total(self) -> float:
        """Return the mass of all interior nodes: the flux of g through the innermost ring of cells."""
        return float(self.masses.sum())

    def in_box(self, lower: Sequence[float], upper: Sequence[float]) -> float:
        """Return the mass of a box; a node on a side counts half, on a corner a quarter."""
        slack = 1e-9 * self.mesh.diameter
        inside = np.ones(len(self.masses))
        for axis in range(2):
            x = self.mesh.points[:, axis]
            for gap in (x - lower[axis], upper[axis] - x):
                inside *= np.where(np.abs(gap) <= slack, 0.5, gap > 0)
        return float(inside @ self.masses)

    def in_disc(self, center: Sequence[float], radius: float) -> float:
        """Return the mass of a disc; a node on its circle counts half."""
        gap = radius - np.linalg.norm(self.mesh.points - np.asarray(center), axis=1)
        weight = np.where(np.abs(gap) <= 1e-9 * self.mesh.diameter, 0.5, gap > 0)
        return float(weight @ self.masses)


def mean_curvature_measure(mesh: Mesh, u: ArrayLike | Field) -> NodalMeasure:
    """Return the discrete mean curvature measure of the graph of u: values (N,) at nodes, or a function of x, y.

    Raises ConfigurationError for the wrong number of values, or values that are not finite.
    """
    heights = nodal_values(mesh, u, "u")
    masses = -AreaOperator(mesh).residual(heights, np.zeros(len(heights)))
    masses[mesh.boundary] = 0.0
    return NodalMeasure(mesh, masses)


def nodal_values(mesh: Mesh, values: ArrayLike | Field, name: str) -> Floats:
    """Return finite values (N,) at the nodes, from a number, an array (N,) or a function of x, y."""
    if callable(values):
        return np.array(evaluate(values, mesh.points, name))
    array = np.asarray(values, dtype=np.float64)
    if array.shape not in ((), (len(mesh.points),)) or not np.isfinite(array).all():
        raise ConfigurationError(
            f"{name} has shape {array.shape}, the mesh {len(mesh.points)} nodes, and each value must be finite.",
            cure="Give one value a node, a number, or a function of x and y.",
        )
    return np.array(np.broadcast_to(array, (len(mesh.points),)))
