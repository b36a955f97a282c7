"""The same films by NGSolve, whose assembly and factors run on all cores: an optional second engine.

The mesh, the boundary values and the load vector are ours, so the discrete problem is the same and so is its film, to
Newton's tolerance; energy, derivatives and factors are NGSolve's. It neither weighs the load nor lets go of boundary
values. Install it with `pip install 'mezzofanti[ngsolve]'`.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mezzofanti.curvature.curvature import nodal_values
from mezzofanti.curvature.fields import Field, evaluate
from mezzofanti.curvature.measures import Measure
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.newton import ARMIJO, SHORTEST
from mezzofanti.errors import MissingExtraError, SolverError

__all__ = ["engine_heights", "engine_is_installed"]

COARSE_ENOUGH = 1e-6


def engine_is_installed() -> bool:
    """Say whether NGSolve can be imported."""
    return importlib.util.find_spec("ngsolve") is not None


def engine_heights(
    mesh: Mesh,
    measure: Measure | None = None,
    boundary: ArrayLike | Field = 0.0,
    *,
    tolerance: float = 1e-10,
    max_steps: int = 60,
) -> Floats:
    """Return the heights (N,) of the film with held boundary values over a plane mesh or a body.

    Begun on the coarsest mesh, as `solve_dirichlet` does. boundary: a number, a function of the coordinates, or values
    (N,). Raises MissingExtraError where NGSolve is not installed, SolverError where Newton stalls.
    """
    if not engine_is_installed():
        raise MissingExtraError("NGSolve is not installed.", cure="pip install 'mezzofanti[ngsolve]'")
    import ngsolve

    load = measure if measure is not None else Measure()
    levels = [mesh]
    while (coarser := levels[-1].coarser) is not None and len(coarser.interior):
        levels.append(coarser)
    u: Floats | None = None
    with ngsolve.TaskManager():
        for level in reversed(levels):
            held = _held(mesh, level, boundary)
            start = level.prolong(u) if u is not None else np.full(len(held), held[level.boundary].mean())
            start[level.boundary] = held[level.boundary]
            enough = tolerance if level is mesh else max(tolerance, COARSE_ENOUGH)
            u = _Engine(level, load.load(level)).newton(start, enough, max_steps)
    assert u is not None
    return u


def _held(mesh: Mesh, level: Mesh, boundary: ArrayLike | Field) -> Floats:
    held = np.zeros(len(level.points))
    if callable(boundary):
        held[level.boundary] = evaluate(boundary, level.points[level.boundary], "boundary")
        return held
    return nodal_values(mesh, boundary, "boundary")[: len(held)]  # a coarser mesh's nodes come first


class _Engine:
    """NGSolve's linear space on one mesh, whose unknowns are numbered as our nodes."""

    def __init__(self, mesh: Mesh, load: Floats) -> None:
        import ngsolve

        self.mesh, self.load = mesh, load
        space = ngsolve.H1(ngsolve.Mesh(_netgen(mesh)), order=1, dirichlet="rim")
        self.free = space.FreeDofs()
        trial = space.TrialFunction()
        slope = ngsolve.grad(trial)
        self.form = ngsolve.BilinearForm(space, symmetric=True)
        self.form += ngsolve.Variation(ngsolve.sqrt(1 + ngsolve.InnerProduct(slope, slope)) * ngsolve.dx)
        function = ngsolve.GridFunction(space)
        self.u, self.moved, self.residual, self.way = (function.vec.CreateVector() for _ in range(4))

    def newton(self, start: Floats, tolerance: float, max_steps: int) -> Floats:
        self.u.FV().NumPy()[:] = start
        inside = self.mesh.interior
        for _ in range(max_steps):
            self.form.Apply(self.u, self.residual)
            force = self.residual.FV().NumPy()[inside] + self.load[inside]
            if np.abs(force).sum() / self.mesh.perimeter <= tolerance:
                return np.array(self.u.FV().NumPy())
            self._step()
        raise SolverError(
            f"The second engine has not converged after {max_steps} steps.", cure="Weigh the load."
        )

    def _step(self) -> None:
        force = self.residual.FV().NumPy()
        force += self.load
        self.form.AssembleLinearization(self.u)
        self.way.data = -(self.form.mat.Inverse(self.free, inverse="sparsecholesky") * self.residual)
        way = self.way.FV().NumPy()
        slope = float(force[self.mesh.interior] @ way[self.mesh.interior])
        before, damping = self._energy(self.u), 1.0
        noise = 64 * np.finfo(np.float64).eps * abs(before)
        while True:
            self.moved.data = self.u + damping * self.way
            if self._energy(self.moved) - before <= ARMIJO * damping * slope + noise:
                break
            damping /= 2
            if damping < SHORTEST:
                raise SolverError("The second engine found no step downhill.", cure="Weigh the load.")
        self.u.data = self.moved

    def _energy(self, u: Any) -> float:
        return float(self.form.Energy(u) + self.load @ u.FV().NumPy())


def _netgen(mesh: Mesh) -> Any:
    """Return NGSolve's own form of the mesh; its boundary is called "rim"."""
    from netgen import meshing

    dimension = mesh.dimension
    theirs = meshing.Mesh(dim=dimension)
    theirs.AddPoints(np.hstack([mesh.points, np.zeros((len(mesh.points), 3 - dimension))]))
    inner = theirs.AddRegion("film", dim=dimension)
    rim = theirs.AddRegion("rim", dim=dimension - 1)
    theirs.AddElements(dim=dimension, index=inner, data=_oriented(mesh).astype(np.int32), base=0)
    theirs.AddElements(dim=dimension - 1, index=rim, data=mesh.boundary_faces.astype(np.int32), base=0)
    return theirs


def _oriented(mesh: Mesh) -> Any:
    if mesh.dimension == 2:
        return mesh.triangles
    spans = mesh.points[mesh.triangles[:, 1:]] - mesh.points[mesh.triangles[:, :1]]
    turned = np.linalg.det(spans) > 0
    return np.where(turned[:, None], mesh.triangles[:, [0, 2, 1, 3]], mesh.triangles)
