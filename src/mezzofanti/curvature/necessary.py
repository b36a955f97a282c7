"""The necessary condition nu(E) <= perimeter(E): the error for loads that break it, and the test along a deflection.

If div g = nu with |g| <= 1, then for every v that vanishes on the boundary the integral of v d nu is at most that of
|Dv|. Where a deflection v breaks this, the coarea formula hands over a level set E of v with nu(E) > perimeter(E),
and no film exists, on this mesh or any other: it is a proof, up to the quadrature of densities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mezzofanti.curvature.measures import Measure
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.operator import AreaOperator
from mezzofanti.errors import ConfigurationError, SolverError

if TYPE_CHECKING:
    from mezzofanti.curvature.levels import Region

__all__ = ["CONDITION", "MOST_ON_A_LINE", "InadmissibleLoad", "refuse_negative", "share_of_limit"]

MOST_ON_A_LINE = 2.0  # A thin strip about a curve of length L has perimeter 2 L.
NEGATIVE = 1e-9  # Share of the mass that may come out negative by rounding.
CONDITION = "a film needs nu(E) <= perimeter(E) for every region E"


class InadmissibleLoad(SolverError):
    """No film carries the load. value: lambda*, the multiple that is still carried. worst_set: a region too heavy."""

    def __init__(
        self, message: str, *, cure: str = "", value: float = np.nan, worst_set: Region | None = None
    ) -> None:
        super().__init__(message, cure=cure)
        self.value = value
        self.worst_set = worst_set

    def __reduce__(self) -> tuple[object, ...]:
        return _inadmissible, (self.message, self.cure, self.value, self.worst_set)


def _inadmissible(message: str, cure: str, value: float, worst_set: Region | None) -> InadmissibleLoad:
    return InadmissibleLoad(message, cure=cure, value=value, worst_set=worst_set)


def refuse_negative(mesh: Mesh, measure: Measure) -> None:
    """Raise ConfigurationError where a hat function's integral is negative: the measure is negative nearby."""
    if not isinstance(measure, Measure):
        raise ConfigurationError(
            f"The load is no Measure but {measure!r:.60}.",
            cure="The mesh comes first, then density(...), on_curve(...), or sums of them.",
        )
    load = measure.load(mesh)
    lowest = int(load.argmin())
    if load[lowest] < -NEGATIVE * np.abs(load).sum():
        place = ", ".join(f"{x:g}" for x in mesh.points[lowest].round(12) + 0.0)
        raise ConfigurationError(
            f"The load ({measure.describe()}) is negative near ({place}): a mean curvature measure is not.",
            cure="Change it there; for a load that is negative everywhere, solve for -u with the signs turned.",
        )


def share_of_limit(operator: AreaOperator, deflection: Floats, load: Floats) -> float:
    """Return |integral of v d nu| / integral of |Dv| for v (N,), set to zero on the boundary. Above 1: no solution."""
    inside = deflection.copy()
    inside[operator.mesh.boundary] = 0.0
    variation = operator.mesh.areas @ np.sqrt((operator.slope(inside) ** 2).sum(axis=1))
    return float(abs(load @ inside) / variation) if variation > 0 else 0.0
