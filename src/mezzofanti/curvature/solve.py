"""The film under a load: div(Du / sqrt(1 + |Du|^2)) = nu inside, u given on the boundary.

First the load is weighed (`admissible.py`): more than a film can carry is refused with a proof. Then damped Newton on
the convex energy, begun on the coarsest mesh and carried to finer ones: there two or three steps are left to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from mezzofanti.curvature.admission import admit, overload
from mezzofanti.curvature.curvature import nodal_values
from mezzofanti.curvature.film import Film
from mezzofanti.curvature.measures import Field, Measure, evaluate
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.necessary import refuse_negative
from mezzofanti.curvature.newton import Lost, Newton, Step
from mezzofanti.curvature.quadratic import quadratic_film
from mezzofanti.curvature.trace import ending
from mezzofanti.errors import ConfigurationError

__all__ = ["Film", "Step", "solve_dirichlet"]

COARSE_ENOUGH = 1e-6  # A coarser mesh only has to give a start.


def solve_dirichlet(
    mesh: Mesh,
    measure: Measure | ArrayLike | Field | None = None,
    boundary: ArrayLike | Field | Measure | None = 0.0,
    *,
    relaxed: bool = True,
    check: bool = True,
    degree: int = 1,
    tolerance: float = 1e-10,
    max_steps: int = 200,
    on_step: Callable[[Step], None] | None = None,
) -> Film:
    """Return the film over `mesh` with the given boundary values whose mean curvature measure is `measure`.

    measure: a Measure, nowhere negative; None is no load. boundary: a number, one value a node (N,) of which those on
    the boundary count, or a function of x, y. The two may come in either order.
    relaxed: let the film leave its boundary values where keeping them takes a flux above 1 (plane domains only;
    elsewhere, and with False, the outcome may be "undecided"). check: weigh the load first.
    degree: 1, or 2 for a `QuadraticFilm` (plane domains, boundary values between nodes, held).
    tolerance: residual mass over the boundary's length at which Newton stops. on_step: called after each step.
    Raises InadmissibleLoad where nu(E) > perimeter(E) for some region E, with lambda* and that region; SolverError
    where Newton stalls; ConfigurationError for boundary values or loads that are not finite or negative, and for a
    mesh without inner nodes.
    Source: Dai, Trudinger, Wang, "The mean curvature measure" (2012); Giusti 1978 for the condition, 1984 for the
    relaxed problem.
    """
    load, boundary = _told_apart(measure, boundary)
    held_on = _checked(mesh, load, boundary, degree)
    admission = admit(mesh, load) if check else None
    newton = _NestedNewton(
        mesh, load, held_on, relaxed and mesh.dimension == 2, tolerance, max_steps, on_step
    )
    film = replace(newton.film(), admission=admission)
    if degree == 1:
        return film
    return quadratic_film(film, boundary, tolerance=tolerance, max_steps=max_steps, on_step=on_step)


def _checked(mesh: Mesh, load: Measure, boundary: ArrayLike | Field, degree: int) -> Callable[[Mesh], Floats]:
    """Return what gives the boundary values of each mesh, once everything asked for makes sense."""
    if not len(mesh.interior):
        raise ConfigurationError("The mesh has no node inside.", cure="Refine it: mesh.refined().")
    if degree not in (1, 2):
        raise ConfigurationError(f"Films of degree {degree} are not solved for.", cure="Take degree=1 or 2.")
    held_on = _boundary_values(mesh, boundary)
    held_on(mesh)
    refuse_negative(mesh, load)
    return held_on


@dataclass(frozen=True, eq=False)
class _NestedNewton:
    """Newton on one mesh after another, from the coarsest on."""

    mesh: Mesh
    load: Measure
    held_on: Callable[[Mesh], Floats]
    relaxed: bool
    tolerance: float
    max_steps: int
    on_step: Callable[[Step], None] | None

    def film(self) -> Film:
        """Return the film on the finest mesh, not weighed."""
        started = time.perf_counter()
        history: list[list[Step]] = []
        newton: Newton | None = None
        u: Floats | None = None
        gap: float | None = None
        for level in _coarse_to_fine(self.mesh):
            held = np.zeros(len(level.points))
            held[level.boundary] = self.held_on(level)
            start = _start(level, held, newton, u)
            gap = newton.gap(u) if newton is not None and u is not None else None
            newton = self._newton(level, held)
            u = self._solved(newton, start)
            history.append(newton.steps)
        assert newton is not None
        assert u is not None
        try:
            u, outcome, detached = ending(newton, u, self.load, gap)
        except Lost as lost:
            raise overload(self.mesh, self.load, lost.fall, lost.symptom) from None
        seconds = time.perf_counter() - started
        steps = tuple(step for level in history for step in level)
        return Film(self.mesh, u, self.load, newton.load, steps, outcome, detached, seconds=seconds)

    def _newton(self, level: Mesh, held: Floats) -> Newton:
        return Newton(
            level,
            self.load.load(level),
            held,
            relaxed=self.relaxed,
            tolerance=self.tolerance if level is self.mesh else max(self.tolerance, COARSE_ENOUGH),
            max_steps=self.max_steps,
            on_step=self.on_step,
        )

    def _solved(self, newton: Newton, start: Floats) -> Floats:
        level = newton.mesh
        try:
            return newton.run(start)
        except Lost as lost:
            if level is not self.mesh:
                return start  # A coarser mesh only has to give a start.
            raise overload(level, self.load, lost.fall, lost.symptom) from None


def _told_apart(
    measure: Measure | ArrayLike | Field | None, boundary: ArrayLike | Field | Measure | None
) -> tuple[Measure, ArrayLike | Field]:
    load, held = (boundary, measure) if isinstance(boundary, Measure) else (measure, boundary)
    if isinstance(held, Measure):
        raise ConfigurationError("Two measures were given and no boundary values.", cure="Add the measures.")
    if load is not None and not isinstance(load, Measure):
        raise ConfigurationError(
            f"The load is no Measure but {load!r:.60}.",
            cure="Use density(...), on_curve(...), or sums of them; without a load, say boundary=...",
        )
    return load or Measure(), 0.0 if held is None else held


def _start(level: Mesh, held: Floats, coarser: Newton | None, u: Floats | None) -> Floats:
    """Carry u to the finer mesh: boundary values are taken anew, and what had left them keeps its jump."""
    if coarser is None or u is None:
        start = np.full(len(level.points), held[level.boundary].mean())
        start[level.boundary] = held[level.boundary]
        return start
    jump = np.where(coarser.on_rim, u - coarser.held, 0.0)
    start = level.prolong(u)
    start[level.boundary] = (held + level.prolong(jump))[level.boundary]
    return start


def _coarse_to_fine(mesh: Mesh) -> Iterator[Mesh]:
    levels = [mesh]
    while (coarser := levels[-1].coarser) is not None and len(coarser.interior):
        levels.append(coarser)
    return reversed(levels)


def _boundary_values(mesh: Mesh, boundary: ArrayLike | Field) -> Callable[[Mesh], Floats]:
    """Return what gives the boundary values of `mesh` or of a coarser one, whose nodes come first in it."""
    if callable(boundary):
        return lambda level: np.array(evaluate(boundary, level.points[level.boundary], "boundary"))
    values = np.array(boundary, dtype=np.float64)
    if values.shape == (len(mesh.points),):
        values[mesh.interior] = 0.0  # what stands there is nobody's business, finite or not
        _refuse_gaps(mesh, values)
    nodes = nodal_values(mesh, values, "boundary")
    return lambda level: nodes[level.boundary]


def _refuse_gaps(mesh: Mesh, values: Floats) -> None:
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        place = ", ".join(f"{x:g}" for x in mesh.points[wrong[0]])
        raise ConfigurationError(
            f"{len(wrong)} boundary values are not finite; the first is that of node {wrong[0]} at ({place}).",
            cure="Give a number there.",
        )
