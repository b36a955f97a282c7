"""Damped Newton for a film whose boundary values are held, or only pulled at: the relaxed problem.

The relaxed energy J(u) + integral over the boundary of |u - phi| lets the film leave its boundary values phi where
holding on would take a flux above 1 (E. Giusti, "Minimal Surfaces and Functions of Bounded Variation", 1984, chapter
14). With one value a boundary node and m_i its share of the boundary, node i holds on while |J'(u)_i| <= m_i; else it
is free and pulled by m_i towards phi_i. Which nodes are free is found along with u, by active sets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from scipy import sparse

from mezzofanti.curvature.linear import PositiveSolver
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.norms import Block, assemble
from mezzofanti.curvature.operator import AreaOperator
from mezzofanti.errors import SolverError

__all__ = ["Lost", "Newton", "Step", "boundary_shares"]

ARMIJO = 1e-4  # Share of the slope's promise that a step must keep (Armijo 1966).
SHORTEST = 2.0**-40
RUNAWAY = 1e3  # Times the diameter, plus the largest boundary value: no film that exists hangs so deep.
LET_GO = (
    1e-8  # A node is freed where its pull passes its share of the boundary by more than this share of it.
)
MOST_DROPS = 30
LESS = 0.9  # Of the part along Du, where all of it is too much.
NEAR = 1 / 64  # Share of a step within which a node that reaches its boundary value is taken there at once.


@dataclass(frozen=True)
class Step:
    """One Newton step: nodes of its mesh, residual mass after it over the perimeter, share taken, max |u|.

    detached: boundary nodes off their values.
    """

    nodes: int
    residual: float
    damping: float
    depth: float
    detached: int = 0


class Lost(Exception):
    """The film ran away or Newton stalled: what was seen, and how far it had moved (N,)."""

    def __init__(self, symptom: str, fall: Floats) -> None:
        super().__init__(symptom)
        self.symptom, self.fall = symptom, fall


def boundary_shares(mesh: Mesh) -> Floats:
    """Return m (N,), each node's share of the boundary's length or area: 1 an end of an interval, 0 inside."""
    faces = mesh.boundary_faces
    spans = mesh.points[faces[:, 1:]] - mesh.points[faces[:, :1]]
    size = np.ones(len(faces))
    if mesh.dimension > 1:
        size = np.sqrt(np.linalg.det(spans @ spans.transpose(0, 2, 1))) / factorial(mesh.dimension - 1)
    shares = np.repeat(size / mesh.dimension, mesh.dimension)
    return np.asarray(np.bincount(faces.ravel(), shares, minlength=len(mesh.points)), dtype=np.float64)


class Newton:
    """The least J, or the least relaxed energy, on one mesh."""

    def __init__(
        self,
        mesh: Mesh,
        load: Floats,
        held: Floats,
        *,
        relaxed: bool,
        tolerance: float,
        max_steps: int,
        on_step: Callable[[Step], None] | None = None,
    ) -> None:
        """held (N,): the boundary values, at boundary nodes."""
        self.mesh, self.load, self.held, self.relaxed = mesh, load, held, relaxed
        self.operator = AreaOperator(mesh)
        self.linear = PositiveSolver()
        self.tolerance, self.max_steps, self.on_step = tolerance, max_steps, on_step
        self.shares = boundary_shares(mesh)
        self.on_rim = np.zeros(len(mesh.points), dtype=bool)
        self.on_rim[mesh.boundary] = True
        self.steps: list[Step] = []

    def run(self, start: Floats) -> Floats:
        """Return the minimiser (N,). Raises Lost."""
        u = start.copy()
        if not self.relaxed:
            u[self.on_rim] = self.held[self.on_rim]
        deepest = RUNAWAY * self.mesh.diameter + np.abs(self.held[self.on_rim]).max()
        for _ in range(self.max_steps):
            side, force = self._forces(u)
            if self._misplaced(force) <= self.tolerance:
                return u
            u = self._step(u, side, force, start)
            if self.steps[-1].depth > deepest:
                raise Lost(f"the film fell to {self.steps[-1].depth:.3g} and on", u - start)
        left = self._misplaced(self._forces(u)[1])
        if left <= self.tolerance:
            return u
        raise Lost(f"Newton's residual is {left:.2g} after {self.max_steps} steps", u - start)

    def off(self, u: Floats) -> Floats:
        """Return the film's height over its boundary values (N,), 0 inside."""
        return np.where(self.on_rim, u - self.held, 0.0)

    def gap(self, u: Floats) -> float:
        """Return the distance in L1 of the film from its boundary values: what the relaxed problem pays for it."""
        return float(self.shares @ np.abs(self.off(u)))

    def left(self, u: Floats) -> Floats:
        """Return by how much the film leaves its boundary values (N,), 0 where no more than the mesh can tell.

        At a vertical contact |g| falls off as 1 - d / rho with the distance d, and the film drops by sqrt(2 h rho)
        in a cell of height h; one slope for the whole cell, 1 / sqrt(h / rho), drops only sqrt(h rho). So sqrt(2) - 1
        of the drop in the first cell is missing, and belongs to no jump; nor does what the boundary values
        themselves change by from one node to the next.
        """
        jump = self.off(u)
        certain = np.abs(jump) - self._missing_drop(u) - self._change_of_data()
        return np.sign(jump) * np.maximum(certain, 0.0)

    def held_again(self, u: Floats) -> Floats:
        """Return the minimiser with all boundary values held."""
        strict = Newton(
            self.mesh,
            self.load,
            self.held,
            relaxed=False,
            tolerance=self.tolerance,
            max_steps=self.max_steps,
            on_step=self.on_step,
        )
        strict.steps = self.steps
        return strict.run(u)

    def _change_of_data(self) -> Floats:
        """Largest difference (N,) of a boundary node's value from those of its neighbours on the boundary."""
        faces = self.mesh.boundary_faces
        values = self.held[faces]
        change = np.zeros(len(self.held))
        np.maximum.at(change, faces.ravel(), np.repeat(np.ptp(values, axis=1), faces.shape[1]))
        return change

    def _missing_drop(self, u: Floats) -> Floats:
        """Return (sqrt(2) - 1) times the drop across the first cell (N,), the mean of a boundary node's two cells."""
        mesh = self.mesh
        away = mesh.triangles[~self.on_rim[mesh.triangles].all(axis=1)]
        touching = away[self.on_rim[away].sum(axis=1) == mesh.dimension]
        outer = self.on_rim[touching]
        base = np.where(outer, u[touching], 0.0).sum(axis=1) / mesh.dimension
        drop = np.abs(base - np.where(outer, 0.0, u[touching]).sum(axis=1))
        nodes, drops = touching[outer], np.repeat(drop, mesh.dimension)
        count = np.bincount(nodes, minlength=len(u))
        total = np.bincount(nodes, drops, minlength=len(u))
        return np.asarray((np.sqrt(2) - 1) * total / np.maximum(count, 1), dtype=np.float64)

    def pull(self, u: Floats) -> Floats:
        """Return J'(u)_i / m_i (N,) at boundary nodes, 0 inside: above 1 in absolute value, a node cannot hold on."""
        residual = self.operator.residual(u, self.load)
        return np.divide(residual, self.shares, out=np.zeros_like(residual), where=self.on_rim)

    def _forces(self, u: Floats) -> tuple[Floats, Floats]:
        """Which side of its boundary value each free boundary node is on (N,), 0 where held; and the slope (N,)."""
        residual = self.operator.residual(u, self.load)
        side = np.zeros_like(u)
        if self.relaxed:
            rim = self.on_rim
            side[rim] = np.sign(u[rim] - self.held[rim])
            letting_go = rim & (side == 0) & (np.abs(residual) > self.shares * (1 + LET_GO))
            side[letting_go] = -np.sign(residual[letting_go])
        force = residual + self.shares * side
        force[self.on_rim & (side == 0)] = 0.0
        return side, force

    def _step(self, u: Floats, side: Floats, force: Floats, start: Floats) -> Floats:
        moved, damping = self._descended(u, side, force, start)
        free = int((self.on_rim & (moved != self.held)).sum()) if self.relaxed else 0
        after = self._misplaced(self._forces(moved)[1])
        self.steps.append(Step(len(u), after, damping, float(np.abs(moved).max()), free))
        if self.on_step is not None:
            self.on_step(self.steps[-1])
        return moved

    def _descended(self, u: Floats, side: Floats, force: Floats, start: Floats) -> tuple[Floats, float]:
        """Return u after a step downhill, and its damping: Newton's, or one with less of the second variation.

        On nearly vertical cells J'' is singular to working precision along Du; without that part it is not.
        """
        symptom = "no step downhill was found"
        for along in (1.0, LESS):
            try:
                direction = self._direction(u, side, force, along)
            except SolverError as error:
                symptom = error.message.rstrip(".")
                continue
            moved, damping = self._searched(u, side, force, direction)
            if damping >= SHORTEST:
                return moved, damping
        moved, damping = self._searched(u, side, force, -force / self._hessian(u, LESS).diagonal())
        if damping < SHORTEST:
            raise Lost(symptom, u - start)
        return moved, damping

    def _searched(self, u: Floats, side: Floats, force: Floats, direction: Floats) -> tuple[Floats, float]:
        """Return the first of u + direction, + direction / 2, ... that descends enough, and the share taken."""
        damping = 1.0
        while damping >= SHORTEST:
            moved = self._kept_on_side(u + damping * direction, side)
            if self._change(u, moved) <= ARMIJO * float(force @ (moved - u)) + self._noise():
                break
            damping /= 2
        return moved, damping

    def _direction(self, u: Floats, side: Floats, force: Floats, along: float = 1.0) -> Floats:
        """Newton's direction for the nodes that are free to follow it.

        Held after all are nodes that let go and would move to the wrong side at once, and those that stand so near
        their boundary values that they would be stopped at the first bit of the way: they go there by themselves
        (Bertsekas 1982: else the stops spoil the descent).
        """
        relative = float(np.clip(self._misplaced(force), 1e-10, 1e-2))
        if along == 1.0 and not side.any():
            direction = np.zeros_like(u)
            inside = self.mesh.interior
            # As exact as the step is going to be (Dembo, Eisenstat, Steihaug 1982): Newton stays quadratic.
            direction[inside] = self.linear(self.operator.jacobian(u), -force[inside], relative)
            return direction
        matrix = self._hessian(u, along)
        gap = np.where(self.on_rim, u - self.held, 0.0)
        free, apart = ~self.on_rim | (side != 0), np.zeros_like(u)
        for _ in range(MOST_DROPS):
            direction = apart.copy()
            chosen = np.flatnonzero(free)
            direction[chosen] = self.linear(matrix[chosen][:, chosen], -force[chosen], relative)
            stopped = free & (direction * side < 0) & (np.abs(gap) <= NEAR * np.abs(direction))
            if not stopped.any():
                break
            free &= ~stopped
            apart = np.where(stopped & (force * side > 0), -gap, apart)
        return direction

    def _hessian(self, u: Floats, along: float = 1.0) -> sparse.csr_matrix:
        """Return J''(u) (N, N), of which the part along Du is taken `along` times."""
        slope = self.operator.slope(u)
        root = np.sqrt(1 + (slope**2).sum(axis=1))
        sine = slope / root[:, None]
        turn = (np.eye(self.mesh.dimension) - along * sine[:, :, None] * sine[:, None, :]) / root[
            :, None, None
        ]
        return assemble(Block(self.mesh.triangles, self.mesh.hat_gradients, self.mesh.areas), turn, len(u))

    def _kept_on_side(self, u: Floats, side: Floats) -> Floats:
        """A free node that would pass its boundary value stops there."""
        passed = (side != 0) & ((u - self.held) * side < 0)
        return np.where(passed, self.held, u)

    def _change(self, u: Floats, moved: Floats) -> float:
        change = self.operator.change(u, moved - u, self.load)
        if self.relaxed:
            rim = self.on_rim
            gaps = np.abs(moved[rim] - self.held[rim]) - np.abs(u[rim] - self.held[rim])
            change += float(self.shares[rim] @ gaps)
        return change

    def _noise(self) -> float:
        """Rounding in a sum of energies: without it the last step would be judged by its last digit."""
        return float(8 * np.finfo(np.float64).eps * self.mesh.areas.sum())

    def _misplaced(self, force: Floats) -> float:
        return float(np.abs(force).sum() / self.mesh.perimeter)
