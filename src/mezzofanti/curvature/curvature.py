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

from mezzofanti.curvature.dual import share_inside
from mezzofanti.curvature.measures import Field, evaluate
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.operator import AreaOperator
from mezzofanti.curvature.regions import Inside, Intervals, region
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

    def mass(
        self,
        *,
        box: Intervals | None = None,
        disc: tuple[Sequence[float] | float, float] | None = None,
        inside: Inside | None = None,
    ) -> float:
        """Return the mass of a region, each node's mass spread evenly over its dual cell.

        box: one interval a coordinate, ((x0, x1), (y0, y1)). disc: a center and a radius. inside: a function of
        arrays x, y that says which points belong. Raises ConfigurationError unless exactly one is given.
        """
        return float(share_inside(self.mesh, region(box, disc, inside)) @ self.masses)

    def in_box(self, lower: Sequence[float], upper: Sequence[float]) -> float:
        """Return the mass of the box between two opposite corners."""
        return self.mass(box=tuple(zip(lower, upper, strict=True)))

    def in_disc(self, center: Sequence[float], radius: float) -> float:
        """Return the mass of a disc."""
        return self.mass(disc=(center, radius))


def mean_curvature_measure(u: ArrayLike | Field | Mesh, mesh: Mesh | ArrayLike | Field) -> NodalMeasure:
    """Return the discrete mean curvature measure of the graph of u: values (N,) at nodes, or a function of x, y.

    The two arguments may come in either order.
    Raises ConfigurationError for the wrong number of values, or values that are not finite.
    """
    if isinstance(u, Mesh):
        u, mesh = mesh, u
    if not isinstance(mesh, Mesh) or isinstance(u, Mesh):
        raise ConfigurationError(
            "A measure needs a function and a mesh.", cure="Call mean_curvature_measure(u, mesh)."
        )
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
