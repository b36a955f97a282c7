"""The same films by scikit-fem: with our nesting and linear solver, and as one would first write it.

Both are fair to it: one quadrature point where one is exact, forms built once, the same damping and tolerance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from skfem import Basis, BilinearForm, ElementTriP1, Functional, LinearForm, MeshTri, condense, solve

from mezzofanti.curvature import Mesh
from mezzofanti.curvature.fields import Field
from mezzofanti.curvature.linear import PositiveSolver
from mezzofanti.curvature.mesh import Floats

__all__ = ["plain_scikit_fem", "scikit_fem_heights", "scikit_fem_meshes"]

COARSE_ENOUGH = 1e-6
ARMIJO = 1e-4
MOST_STEPS = 60


@BilinearForm  # type: ignore[untyped-decorator]
def hessian(v: Any, t: Any, w: Any) -> Any:
    """Second variation of the area."""
    p = w["u"].grad
    q2 = 1 + p[0] ** 2 + p[1] ** 2
    along, across = (p[0] * f.grad[0] + p[1] * f.grad[1] for f in (v, t))
    return (v.grad[0] * t.grad[0] + v.grad[1] * t.grad[1] - along * across / q2) / np.sqrt(q2)


@LinearForm  # type: ignore[untyped-decorator]
def slope(t: Any, w: Any) -> Any:
    """First variation of the area, and the load."""
    p = w["u"].grad
    return (p[0] * t.grad[0] + p[1] * t.grad[1]) / np.sqrt(1 + p[0] ** 2 + p[1] ** 2) + w["load"] * t


@Functional  # type: ignore[untyped-decorator]
def energy(w: Any) -> Any:
    """Area and the load's work."""
    p = w["u"].grad
    return np.sqrt(1 + p[0] ** 2 + p[1] ** 2) + w["load"] * w["u"]


def scikit_fem_meshes(mesh: Mesh) -> list[Any]:
    """Return scikit-fem's meshes, coarsest first: ours at the bottom, its own refinements of it above."""
    times = 0
    while (coarser := mesh.coarser) is not None and len(coarser.interior):
        mesh, times = coarser, times + 1
    levels = [MeshTri(np.ascontiguousarray(mesh.points.T), np.ascontiguousarray(mesh.triangles.T))]
    for _ in range(times):
        levels.append(levels[-1].refined())
    return levels


def scikit_fem_heights(levels: list[Any], load: float, boundary: Field, tolerance: float) -> Floats:
    """Return heights on the finest mesh by nested iteration and our `PositiveSolver`."""
    u: Any = None
    for number, mesh in enumerate(levels):
        newton = _Newton(mesh, load, boundary)
        start = newton.flat() if u is None else np.concatenate([u, u[levels[number - 1].facets].mean(axis=0)])
        start[newton.held] = newton.flat()[newton.held]
        enough = tolerance if mesh is levels[-1] else max(tolerance, COARSE_ENOUGH)
        u = newton.run(start, enough, newton.multigrid)
    return np.asarray(u, dtype=np.float64)


def plain_scikit_fem(mesh: Any, load: float, boundary: Field, tolerance: float) -> Floats:
    """Return heights by damped Newton from a flat film with scikit-fem's own direct solve."""
    newton = _Newton(mesh, load, boundary)
    return newton.run(newton.flat(), tolerance, newton.direct)


class _Newton:
    def __init__(self, mesh: Any, load: float, boundary: Field) -> None:
        self.basis = Basis(mesh, ElementTriP1(), intorder=1)
        self.load, self.boundary, self.linear = load, boundary, PositiveSolver()
        self.held = mesh.boundary_nodes()
        self.free = np.setdiff1d(np.arange(mesh.nvertices), self.held)
        ends = mesh.p[:, mesh.facets[:, mesh.boundary_facets()]]
        self.perimeter = float(np.linalg.norm(ends[:, 0] - ends[:, 1], axis=0).sum())

    def flat(self) -> Floats:
        values = np.asarray(self.boundary(*self.basis.mesh.p[:, self.held]))
        u = np.full(self.basis.N, values.mean())
        u[self.held] = values
        return u

    def run(self, u: Floats, tolerance: float, linear: Any) -> Floats:
        for _ in range(MOST_STEPS):
            prior = self.basis.interpolate(u)
            residual = slope.assemble(self.basis, u=prior, load=self.load)
            left = float(np.abs(residual[self.free]).sum() / self.perimeter)
            if left <= tolerance:
                return u
            matrix = hessian.assemble(self.basis, u=prior)
            way = linear(matrix, -residual, float(np.clip(left, 1e-10, 1e-2)))
            u = self._damped(u, way, float(residual @ way))
        raise ArithmeticError("the comparison did not converge")

    def multigrid(self, matrix: Any, right: Floats, relative: float) -> Floats:
        way = np.zeros(self.basis.N)
        way[self.free] = self.linear(matrix[self.free][:, self.free], right[self.free], relative)
        return way

    def direct(self, matrix: Any, right: Floats, _: float) -> Floats:
        return np.asarray(solve(*condense(matrix, right, D=self.held)), dtype=np.float64)

    def _damped(self, u: Floats, way: Floats, promised: float) -> Floats:
        before, damping = self._energy(u), 1.0
        while (
            self._energy(u + damping * way) > before + ARMIJO * damping * promised + 1e-12 and damping > 1e-9
        ):
            damping /= 2
        return u + damping * way

    def _energy(self, u: Floats) -> float:
        return float(energy.assemble(self.basis, u=self.basis.interpolate(u), load=self.load))
