"""The critical load: the largest multiple of a load that any film over the domain can carry.

A film needs nu(E) <= perimeter(E) for every region E, so lambda nu is carried at most up to

    lambda* = inf perimeter(E) / nu(E) = inf ( TV(v) + integral over the boundary of |v| ) / integral of v d nu,

over regions of the closed domain: their perimeter counts where they touch the boundary (a free trace). A region
proves an upper bound; a flux g with |g| <= 1 and div g = lambda nu proves a lower one, because then
lambda nu(E) is what flows out of E. For a constant density, lambda* is Cheeger's constant.
Source: Dai, Trudinger, Wang (2012) for the condition; B. Kawohl and V. Fridman (2003) for Cheeger's constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mezzofanti.curvature.crouzeix import SideFunctions, SideLoad, side_load
from mezzofanti.curvature.fitting import fit_mesh
from mezzofanti.curvature.levels import Region, best_region, hulls, strip
from mezzofanti.curvature.measures import Measure
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.necessary import refuse_negative
from mezzofanti.curvature.norms import Iterate, least_sum

__all__ = ["CriticalLoad", "critical_load", "glance"]

NOTHING = 1e-200  # Mass over the boundary's length below which a load is none: its lambda* would overflow.
ROUGH = 1e-2  # Gap at which a glance ends.
TRUSTED, LESS_TRUSTED = 1.005, 1.03
ACROSS, ROUGH_MARGIN = 0.05, 0.2  # Curves across cells, by share of the mass; their limit is blurred.


@dataclass(frozen=True, eq=False)
class CriticalLoad:
    """lambda*, as a multiple of the load that was asked about; below 1 that load itself is too much.

    value: the best estimate, within [lower, upper]. upper: perimeter over mass of `worst_set`. lower: from `flux`
    (T, n), the mean on each cell of the flux that proves it for the load averaged over cells, less what averaging a
    density can hide. proven: lower is a proof, up to the density's range having been seen; it is none where curves run
    across cells. even: the load is constant on each cell and side, so that nothing was averaged. potential (N,): 1 on
    the worst set, 0 off it.
    """

    mesh: Mesh
    load: Measure
    value: float
    lower: float
    upper: float
    proven: bool
    worst_set: Region | None
    potential: Floats
    flux: Floats
    iterations: int
    even: bool = True

    @property
    def interval(self) -> tuple[float, float]:
        """What lambda* lies between."""
        return self.lower, self.upper

    def plot(self, path: Path | str, *, title: str = "") -> Path:
        """Draw the flux and the worst set of a plane domain to a file (PNG, PDF or SVG), and return its path."""
        from mezzofanti.curvature.plot import draw_critical_load

        return draw_critical_load(self, path, title=title)


def critical_load(mesh: Mesh, measure: Measure, *, tolerance: float = 1e-3) -> CriticalLoad:
    """Return lambda* = inf perimeter(E) / nu(E) over regions E of the closed domain, and where it is attained.

    tolerance: the relative gap between the discrete problem and its dual at which iterations stop; what the mesh
    itself costs is seen in `interval`. Raises ConfigurationError for a measure that is negative somewhere.
    Infinite for no load.
    """
    refuse_negative(mesh, measure)
    functions, load, mesh = _seen(mesh, measure)
    if not load.vector.sum() > NOTHING * mesh.perimeter:
        return _unlimited(mesh, measure)
    lower, best, number = 0.0, None, 0
    for iterate in least_sum(functions.blocks(), load.vector, _start(functions), tolerance):
        number += 1
        proof = _lower_bound(functions, load, iterate)
        if proof >= lower:
            lower, best = proof, iterate
    return _result(functions, measure, load, iterate, lower, best or iterate, number)


def glance(mesh: Mesh, measure: Measure, enough: float, margin: float) -> tuple[float, bool]:
    """Return a lower bound of lambda* as soon as it exceeds `enough`, and whether it is a proof.

    The first flux costs one linear system and is the least in L2 with that divergence: exact for a constant load on a
    disc. A bound that is not a proof must exceed `margin` times as much, and more where curves run across cells.
    Where none does, the last estimate of lambda* over the square of the margin stands in for one, less what averaging
    can hide: on a few cells that may be most of it. The measure must not be negative.
    """
    functions, load, mesh = _seen(mesh, measure)
    if not load.vector.sum() > NOTHING * mesh.perimeter:
        return np.inf, True
    across = (load.in_cells - load.spread).sum() > ACROSS * (load.in_cells.sum() + load.on_sides.sum())
    needed = 1.0 if load.bounded else margin + (ROUGH_MARGIN if across else 0.0)
    for iterate in least_sum(functions.blocks(), load.vector, _start(functions), ROUGH):
        bound = _lower_bound(functions, load, iterate)
        if bound > enough * needed:
            return bound, load.bounded
    return load.surely(iterate.estimate / max(margin, needed) ** 2), False


def _seen(mesh: Mesh, measure: Measure) -> tuple[SideFunctions, SideLoad, Mesh]:
    """Return the load as the sides see it, on a mesh fitted to the curves where that puts more of them on sides."""
    functions = SideFunctions(mesh)
    load = side_load(functions, measure)
    if load.exact or not measure.curves or functions.dimension != 2:
        return functions, load, mesh
    fitted = SideFunctions(fit_mesh(mesh, measure))
    again = side_load(fitted, measure)
    if again.on_sides.sum() > load.on_sides.sum():
        return fitted, again, fitted.mesh
    return functions, load, mesh


def _start(functions: SideFunctions) -> Floats:
    return np.ones(functions.count)


def _lower_bound(functions: SideFunctions, load: SideLoad, iterate: Iterate) -> float:
    """Return lambda / max |g| for the flux with mean -g_T and divergence lambda f_T, which is longest at corners.

    That is a bound for the averaged load; what it is for the load itself is returned.
    """
    mesh = functions.mesh
    density = load.in_cells / mesh.areas
    reach = mesh.points[mesh.triangles] - mesh.points[mesh.triangles].mean(axis=1, keepdims=True)
    bend = iterate.multiplier / functions.dimension * density
    at_corners = iterate.fluxes[0][:, None] - bend[:, None, None] * reach
    return load.surely(float(iterate.multiplier / np.linalg.norm(at_corners, axis=2).max()))


def _result(
    functions: SideFunctions,
    measure: Measure,
    load: SideLoad,
    last: Iterate,
    lower: float,
    best: Iterate,
    number: int,
) -> CriticalLoad:
    mesh = functions.mesh
    potential = np.maximum(functions.at_nodes(last.v), 0.0)
    region = _worst(functions, measure, load, potential)
    upper = region.ratio if region is not None else last.value
    value = _estimate(last.estimate, lower, upper, load)
    return CriticalLoad(
        mesh,
        measure,
        value,
        min(lower, value),
        upper,
        load.bounded,
        region,
        potential / potential.max(),
        -best.fluxes[0] / best.longest,
        number,
        load.exact,
    )


def _estimate(multiplier: float, lower: float, upper: float, load: SideLoad) -> float:
    """The dual's lambda errs to below (a mixed load, by 0.2 of the mesh size), the best region's ratio to above.

    Their mean is taken, but no more than half a per cent above the first (three where the load was averaged over
    cells): where few cells make the worst set, no region of the mesh comes near it.
    """
    most = multiplier * (TRUSTED if load.exact else LESS_TRUSTED)
    return float(np.clip(min((multiplier + upper) / 2, most), lower if load.bounded else 0.0, upper))


def _worst(functions: SideFunctions, measure: Measure, load: SideLoad, potential: Floats) -> Region | None:
    if functions.dimension == 2:
        found = best_region(functions.mesh, measure, load.spread, potential)
        others = [strip(functions.mesh, curve) for curve in measure.curves]
        others += hulls(functions.mesh, measure.curves)
        return min([*([found] if found else []), *others], key=lambda region: region.ratio, default=None)
    # On a line and in space no outline is drawn: the ratio is that of the potential, which bounds its best level.
    mesh = functions.mesh
    slope = np.einsum("tcx,tc->tx", mesh.hat_gradients, potential[mesh.triangles])
    trace = functions.sizes[functions.rim] @ potential[functions.ends[functions.rim]].mean(axis=1)
    variation = float(mesh.areas @ np.linalg.norm(slope, axis=1) + trace)
    mass = float(measure.load(mesh) @ potential)
    nodes = np.flatnonzero(potential > potential.max() / 2)
    return Region(mesh, nodes, variation / potential.max(), mass / potential.max(), ())


def _unlimited(mesh: Mesh, measure: Measure) -> CriticalLoad:
    flat = np.zeros(len(mesh.points))
    flux = np.zeros((len(mesh.triangles), mesh.points.shape[1]))
    return CriticalLoad(mesh, measure, np.inf, np.inf, np.inf, True, None, flat, flux, 0)
