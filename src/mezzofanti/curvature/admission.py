"""Whether a load may be put on a film at all: weighed before the film is sought, and again when it is lost.

A cheap flux settles most loads with one linear system on a coarse mesh. The others get the critical load computed, on
a mesh of some thousand nodes whatever the size of the problem's own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from mezzofanti.curvature.admissible import CriticalLoad, critical_load, glance
from mezzofanti.curvature.levels import Region, hulls, strip
from mezzofanti.curvature.measures import Measure
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.necessary import CONDITION, MOST_ON_A_LINE, InadmissibleLoad, share_of_limit
from mezzofanti.curvature.operator import AreaOperator
from mezzofanti.errors import SolverError

__all__ = ["Admission", "admit", "overload", "weigh"]

GLANCE = 1_500  # Nodes of the coarsest mesh that a first look is taken on, at most.
FEWEST, MOST = 600, 6_000  # Nodes of a mesh to weigh on.
_CONDITION = CONDITION[0].upper() + CONDITION[1:]
MARGIN = 1.05  # What a bound that is not a proof must exceed.


@dataclass(frozen=True)
class Admission:
    """Why a load was let in: lambda* >= lower (an estimate unless `proven`), found on so many nodes, in so long.

    value: lambda* itself where it was computed, else None.
    """

    lower: float
    proven: bool
    value: float | None
    nodes: int
    seconds: float


def admit(mesh: Mesh, measure: Measure) -> Admission:
    """Return why `measure` may be carried over `mesh`. Raises InadmissibleLoad where it may not.

    The measure must not be negative. A load is refused where a region proves lambda* below 1, or the estimate is.
    """
    started = time.perf_counter()
    _refuse_heavy_lines(mesh, measure)
    mass = measure.total(mesh)
    level = _level(mesh, GLANCE)
    plainly_too_much = mass > mesh.perimeter or any(hull.ratio < 1 for hull in _hulls(level, measure))
    if not plainly_too_much:
        lower, proven = glance(level, measure, 1.0, MARGIN)
        if lower > 1:
            return Admission(lower, proven, None, len(level.points), time.perf_counter() - started)
    critical = weigh(mesh, measure)
    if _too_much(critical):
        raise _refused(mesh, measure, critical.value, critical.worst_set)
    seconds = time.perf_counter() - started
    return Admission(critical.lower, critical.proven, critical.value, len(critical.mesh.points), seconds)


def weigh(mesh: Mesh, measure: Measure) -> CriticalLoad:
    """Return the critical load on the mesh of the same domain that has some thousand nodes.

    Where the estimate says that the load is too much and no region proves it yet, finer meshes are asked for one.
    """
    level = _level(mesh, MOST)
    while len(level.points) < FEWEST:
        level = level.refined()
    critical = critical_load(level, measure)
    while critical.value < 1 <= critical.upper and 2**mesh.dimension * len(level.points) <= MOST:
        level = level.refined()
        critical = critical_load(level, measure)
    return critical


def overload(mesh: Mesh, measure: Measure, fall: Floats, symptom: str) -> SolverError:
    """Return the error for a film that ran away or stalled; `fall` (N,) is how far it moved."""
    critical = critical_load(_level(mesh, MOST), measure)
    share = share_of_limit(AreaOperator(mesh), fall, measure.load(mesh))
    if critical.value < 1 or share > 1:
        return _refused(mesh, measure, min(critical.value, 1 / share), critical.worst_set)
    return SolverError(
        f"No film was found under the load ({measure.describe()}): {symptom}. {_CONDITION}; near "
        f"{_place(mesh, fall)} the load reaches at least {share:.4g} of that limit, and lambda* is about "
        f"{critical.value:.4g}.",
        cure="Make the load lighter or the boundary values less steep; if it is near its limit, refine the mesh.",
    )


def _too_much(critical: CriticalLoad) -> bool:
    """A region proves it, or the best estimate says so; an estimate for an averaged load must be below by a margin."""
    return critical.upper < 1 or critical.value < (1.0 if critical.even else 1 / MARGIN)


def _hulls(mesh: Mesh, measure: Measure) -> list[Region]:
    return hulls(mesh, measure.curves) if mesh.dimension == 2 else []


def _level(mesh: Mesh, most: int) -> Mesh:
    level = mesh
    while len(level.points) > most and level.coarser is not None and len(level.coarser.interior):
        level = level.coarser
    return level


def _refuse_heavy_lines(mesh: Mesh, measure: Measure) -> None:
    for curve in measure.curves:
        if curve.heaviest() > MOST_ON_A_LINE:
            region = strip(mesh, curve)
            raise InadmissibleLoad(
                f"The load ({curve.describe()}) is more than a film can hold on a line: {CONDITION}, "
                f"and a thin strip about a curve has twice its length as perimeter (lambda* <= {region.ratio:.4g}).",
                cure=f"Keep the mass below {MOST_ON_A_LINE:g} a unit of length, or spread it over an area.",
                value=region.ratio,
                worst_set=region,
            )
    for surface in measure.surfaces:
        if (heaviest := surface.heaviest()) > MOST_ON_A_LINE:
            raise InadmissibleLoad(
                f"The load ({surface.describe()}) is more than a film can hold on a surface: {CONDITION}, and a thin "
                f"slab about a surface has twice its area as perimeter (lambda* <= {MOST_ON_A_LINE / heaviest:.4g}).",
                cure=f"Keep the mass below {MOST_ON_A_LINE:g} a unit of area, or spread it over a volume.",
                value=MOST_ON_A_LINE / heaviest,
            )


def _refused(mesh: Mesh, measure: Measure, value: float, region: Region | None) -> InadmissibleLoad:
    where = ""
    if region is not None:
        where = (
            f", and the region about {_words(mesh, region.center)} has perimeter {region.perimeter:.4g} and "
            f"mass {region.mass:.4g}"
        )
    return InadmissibleLoad(
        f"The load ({measure.describe()}) is more than any film can hold: lambda* = {value:.4g} of it is the most. "
        f"{_CONDITION}{where}.",
        cure=f"Make the load lighter (below {value:.3f} of this one), or spread it over a larger region.",
        value=value,
        worst_set=region,
    )


def _place(mesh: Mesh, fall: Floats) -> str:
    deep = np.abs(fall) >= 0.5 * np.abs(fall).max()
    return _words(mesh, mesh.points[deep].mean(axis=0))


def _words(mesh: Mesh, place: Floats) -> str:
    digits = 2 - int(np.floor(np.log10(mesh.diameter)))
    return f"({', '.join(f'{x:g}' for x in place.round(digits) + 0.0)})"
