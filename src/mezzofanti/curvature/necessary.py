"""Why a film falls: the necessary condition nu(E) <= perimeter(E), tested along a deflection.

If div g = nu with |g| <= 1, then for every v that vanishes on the boundary the integral of v d nu is at most that of
|Dv|. Where a deflection v breaks this, the coarea formula hands over a level set E of v with nu(E) > perimeter(E),
and no film exists, on this mesh or any other: it is a proof, up to the quadrature of densities.
"""

from __future__ import annotations

import numpy as np

from mezzofanti.curvature.measures import Measure
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.operator import AreaOperator
from mezzofanti.errors import SolverError

__all__ = ["MOST_ON_A_LINE", "overload", "refuse_certain_overload", "share_of_limit"]

MOST_ON_A_LINE = 2.0  # A thin strip about a curve of length L has perimeter 2 L.
CONDITION = "a film needs nu(E) <= perimeter(E) for every region E"


def share_of_limit(operator: AreaOperator, deflection: Floats, load: Floats) -> float:
    """Return |integral of v d nu| / integral of |Dv| for v (N,), set to zero on the boundary. Above 1: no solution."""
    inside = deflection.copy()
    inside[operator.mesh.boundary] = 0.0
    variation = operator.mesh.areas @ np.hypot(*operator.slope(inside).T)
    return float(abs(load @ inside) / variation) if variation > 0 else 0.0


def refuse_certain_overload(operator: AreaOperator, measure: Measure, load: Floats) -> None:
    """Raise SolverError for loads that need no solver to be refused: a curve above 2, or too much in all."""
    for curve in measure.curves:
        if curve.heaviest() > MOST_ON_A_LINE:
            raise SolverError(
                f"The load ({curve.describe()}) is more than a film can hold on a line: {CONDITION}, "
                f"and a thin strip about a curve has twice its length as perimeter.",
                cure=f"Keep the mass below {MOST_ON_A_LINE:g} a unit of length, or spread it over an area.",
            )
    mesh = operator.mesh
    everywhere = np.ones(len(mesh.points))
    share = share_of_limit(operator, everywhere, load)
    if share > 1:
        mass = abs(load[mesh.interior].sum())
        raise SolverError(
            f"The load ({measure.describe()}) has mass {mass:.5g} on the inner nodes, a region of perimeter "
            f"{mass / share:.5g}: {CONDITION}.",
            cure=f"Make the load lighter: less than {1 / share:.3f} of this one.",
        )


def overload(
    operator: AreaOperator, measure: Measure, load: Floats, fall: Floats, symptom: str
) -> SolverError:
    """Return the error for a film that ran away or stalled; `fall` (N,) is how far it moved."""
    share = share_of_limit(operator, fall, load)
    if share > 1:
        return SolverError(
            f"The load ({measure.describe()}) is more than the film can hold: {CONDITION}, and near "
            f"{_place(operator.mesh, fall)} a region has at least {share:.4g} times its perimeter ({symptom}).",
            cure=f"Make the load lighter (below {1 / share:.3f} of this one), or spread it over a larger region.",
        )
    return SolverError(
        f"No film was found under the load ({measure.describe()}): {symptom}. {CONDITION.capitalize()}; "
        f"near {_place(operator.mesh, fall)} the load reaches at least {share:.4g} of that limit.",
        cure="Make the load lighter or the boundary values less steep; if it is near its limit, refine the mesh.",
    )


def _place(mesh: Mesh, fall: Floats) -> str:
    deep = np.abs(fall) >= 0.5 * np.abs(fall).max()
    digits = 2 - int(np.floor(np.log10(mesh.diameter)))
    x, y = mesh.points[deep].mean(axis=0).round(digits) + 0.0
    return f"({x:g}, {y:g})"
