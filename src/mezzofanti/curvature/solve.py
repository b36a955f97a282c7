"""The film under a load: div(Du / sqrt(1 + |Du|^2)) = nu inside, u given on the boundary.

Damped Newton on the convex energy J of `operator.py`, with Armijo's rule (descent is certain because J'' is positive
definite), begun on the coarsest mesh and carried to finer ones: there two or three steps are left to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from mezzofanti.curvature.curvature import NodalMeasure, mean_curvature_measure, nodal_values
from mezzofanti.curvature.linear import solve_positive
from mezzofanti.curvature.measures import Field, Measure, evaluate
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.necessary import overload, refuse_certain_overload
from mezzofanti.curvature.operator import AreaOperator
from mezzofanti.errors import ConfigurationError, SolverError

__all__ = ["Film", "Step", "solve_dirichlet"]

ARMIJO = 1e-4  # Share of the slope's promise that a step must keep (Armijo 1966).
SHORTEST = 2.0**-40
COARSE_ENOUGH = 1e-6  # A coarser mesh only has to give a start.
RUNAWAY = 1e3  # Times the diameter, plus the largest boundary value: no film that exists hangs so deep.


@dataclass(frozen=True)
class Step:
    """One Newton step: nodes of its mesh, residual mass after it over the perimeter, share taken, max |u|."""

    nodes: int
    residual: float
    damping: float
    depth: float


@dataclass(frozen=True, eq=False)
class Film:
    """A solution: heights u (N,) at the nodes, what was asked (prescribed (N,)), and how it was found."""

    mesh: Mesh
    u: Floats
    load: Measure
    prescribed: Floats
    history: tuple[Step, ...]

    @cached_property
    def flux(self) -> Floats:
        """g = Du / sqrt(1 + |Du|^2) on each triangle (T, 2)."""
        return AreaOperator(self.mesh).flux(self.u)

    @cached_property
    def steepness(self) -> Floats:
        """|g| (T,), the sine of the angle to the plane: 0 is level, 1 would be a vertical wall."""
        return np.asarray(np.hypot(self.flux[:, 0], self.flux[:, 1]), dtype=np.float64)

    @cached_property
    def measure(self) -> NodalMeasure:
        """The mean curvature measure read back from u; at interior nodes it is the load."""
        return mean_curvature_measure(self.mesh, self.u)

    @cached_property
    def mismatch(self) -> float:
        """Sum over interior nodes of |measured - prescribed mass|."""
        inside = self.mesh.interior
        return float(np.abs(self.measure.masses[inside] - self.prescribed[inside]).sum())

    @cached_property
    def area(self) -> float:
        """Area of the film."""
        return AreaOperator(self.mesh).area(self.u)


def solve_dirichlet(
    mesh: Mesh,
    boundary: ArrayLike | Field = 0.0,
    measure: Measure | None = None,
    *,
    tolerance: float = 1e-10,
    max_steps: int = 60,
    on_step: Callable[[Step], None] | None = None,
) -> Film:
    """Return the film over `mesh` with the given boundary values whose mean curvature measure is `measure`.

    boundary: a number, one value a node (N,) of which those on the boundary count, or a function of x, y.
    tolerance: residual mass over the boundary's length at which Newton stops. on_step: called after each step.
    Raises SolverError where the load is more than a film can hold (nu(E) <= perimeter(E) fails for some E) or Newton
    stalls; ConfigurationError for boundary values or loads that are not finite, and for a mesh without inner nodes.
    Source: Dai, Trudinger, Wang, "The mean curvature measure" (2012); Giusti 1978 for the condition.
    """
    load = measure if measure is not None else Measure()
    if not len(mesh.interior):
        raise ConfigurationError("The mesh has no node inside.", cure="Refine it: mesh.refined().")
    prescribed = load.load(mesh)
    refuse_certain_overload(AreaOperator(mesh), load, prescribed)
    held_on = _boundary_values(mesh, boundary)
    history: list[Step] = []
    u: Floats | None = None
    for level in _coarse_to_fine(mesh):
        held = held_on(level)
        start = np.full(len(level.points), held.mean()) if u is None else level.prolong(u)
        start[level.boundary] = held
        level_load = prescribed if level is mesh else load.load(level)
        enough = tolerance if level is mesh else max(tolerance, COARSE_ENOUGH)
        newton = _Newton(level, load, level_load, enough, max_steps, on_step)
        u = newton.run(start)
        history.extend(newton.steps)
    assert u is not None
    return Film(mesh, u, load, prescribed, tuple(history))


class _Newton:
    """Damped Newton on one mesh."""

    def __init__(
        self,
        mesh: Mesh,
        measure: Measure,
        load: Floats,
        tolerance: float,
        max_steps: int,
        on_step: Callable[[Step], None] | None,
    ) -> None:
        self.mesh, self.measure, self.load = mesh, measure, load
        self.operator = AreaOperator(mesh)
        self.tolerance, self.max_steps = tolerance, max_steps
        self.on_step = on_step
        self.steps: list[Step] = []

    def run(self, start: Floats) -> Floats:
        """Return the minimiser of J (N,) with the boundary values of `start`."""
        u = start
        deepest = RUNAWAY * self.mesh.diameter + np.abs(start[self.mesh.boundary]).max()
        for _ in range(self.max_steps):
            if self._misplaced(u) <= self.tolerance:
                return u
            u = self._step(u, start)
            if self.steps[-1].depth > deepest:
                raise self._lost(u, start, f"the film fell to {self.steps[-1].depth:.3g} and on")
        if self._misplaced(u) <= self.tolerance:
            return u
        raise self._lost(
            u, start, f"Newton's residual is {self._misplaced(u):.2g} after {self.max_steps} steps"
        )

    def _step(self, u: Floats, start: Floats) -> Floats:
        inside = self.mesh.interior
        residual = self.operator.residual(u, self.load)[inside]
        direction = np.zeros(len(u))
        try:
            # As exact as the step is going to be (Dembo, Eisenstat, Steihaug 1982): Newton stays quadratic.
            relative = float(np.clip(self._misplaced(u), 1e-10, 1e-2))
            direction[inside] = solve_positive(self.operator.jacobian(u), -residual, relative)
        except SolverError as error:
            raise self._lost(u, start, error.message) from None
        slope = float(residual @ direction[inside])
        damping = 1.0
        while (
            self.operator.change(u, damping * direction, self.load) > ARMIJO * damping * slope + self._noise()
        ):
            damping /= 2
            if damping < SHORTEST:
                raise self._lost(u, start, "no step downhill was found")
        u = u + damping * direction
        self.steps.append(Step(len(u), self._misplaced(u), damping, float(np.abs(u).max())))
        if self.on_step is not None:
            self.on_step(self.steps[-1])
        return u

    def _noise(self) -> float:
        """Rounding in a sum of energies: without it the last step would be judged by its last digit."""
        return float(8 * np.finfo(np.float64).eps * self.mesh.areas.sum())

    def _misplaced(self, u: Floats) -> float:
        residual = self.operator.residual(u, self.load)[self.mesh.interior]
        return float(np.abs(residual).sum() / self.mesh.perimeter)

    def _lost(self, u: Floats, start: Floats, symptom: str) -> SolverError:
        return overload(self.operator, self.measure, self.load, u - start, symptom)


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
    nodes = nodal_values(mesh, values, "boundary")
    return lambda level: nodes[level.boundary]
