"""Films that are quadratic on each triangle: the error in L2 falls like h^3 where the surface is smooth.

Begun from the linear film, which also says whether the load is carried and the boundary values kept; then damped
Newton on the same convex energy. Spaces, quadrature and assembly are scikit-fem's. Sides stay straight: on a disc
the error of the outline, of order h^2, remains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mezzofanti.curvature.crossing import cut_by_mesh
from mezzofanti.curvature.curvature import NodalMeasure
from mezzofanti.curvature.fields import LINE, Field, evaluate, rule
from mezzofanti.curvature.film import Film
from mezzofanti.curvature.kernels import Kernels
from mezzofanti.curvature.linear import solve_positive
from mezzofanti.curvature.measures import Curve, Density, Measure
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.newton import ARMIJO, SHORTEST, Step
from mezzofanti.errors import ConfigurationError, SolverError, require

__all__ = ["QuadraticFilm", "quadratic_film", "quadratic_shapes"]

QUADRATURE = 6  # Degree: slopes are linear, their roots are not.


def quadratic_shapes(shares: Floats) -> Floats:
    """Return the six shape functions (P, 6) at barycentric shares (P, 3): corners, then sides 01, 12, 20."""
    following = np.roll(shares, -1, axis=1)
    return np.asarray(np.hstack([shares * (2 * shares - 1), 4 * shares * following]), dtype=np.float64)


def _turns(shares: Floats) -> Floats:
    """Return the derivatives (P, 6, 3) of the shape functions by the shares."""
    turns = np.zeros((len(shares), 6, 3))
    for k in range(3):
        turns[:, k, k] = 4 * shares[:, k] - 1
        turns[:, 3 + k, k] = 4 * shares[:, (k + 1) % 3]
        turns[:, 3 + k, (k + 1) % 3] = 4 * shares[:, k]
    return turns


@dataclass(frozen=True, eq=False)
class QuadraticFilm(Film):
    """A film with heights at nodes u (N,) and at the `middles` of edges (E,), in the order of `mesh.edges`.

    Outcome and admission are those of the linear film it was begun from, whose steps come first in its history.
    """

    middles: Floats = field(kw_only=True)

    def at(self, shares: Floats) -> tuple[Floats, Floats]:
        """Return heights (T, P) and slopes (T, P, 2) at barycentric shares (P, 3) of each triangle."""
        local = np.hstack([self.u[self.mesh.triangles], self.middles[self.mesh.edges_and_sides[1]]])
        heights = local @ quadratic_shapes(shares).T
        turns = np.einsum("tk,pkc->tpc", local, _turns(shares))
        return heights, np.einsum("tpc,tcx->tpx", turns, self.mesh.hat_gradients)

    @cached_property
    def flux(self) -> Floats:
        """Mean of g = Du / sqrt(1 + |Du|^2) over each triangle (T, 2)."""
        shares, weights = rule(2)
        slopes = self.at(shares)[1]
        flux = slopes / np.sqrt(1 + (slopes**2).sum(axis=2, keepdims=True))
        return np.asarray(np.einsum("p,tpx->tx", weights, flux), dtype=np.float64)

    @cached_property
    def measure(self) -> NodalMeasure:
        """The mean curvature measure against hats, read off as for linear films."""
        masses = -Kernels(self.mesh).gather(self.flux.T)
        masses[self.mesh.boundary] = 0.0
        return NodalMeasure(self.mesh, masses)

    @cached_property
    def area(self) -> float:
        """Area of the film."""
        shares, weights = rule(2)
        return float(self.mesh.areas @ np.sqrt(1 + (self.at(shares)[1] ** 2).sum(axis=2)) @ weights)


def quadratic_film(
    film: Film,
    boundary: ArrayLike | Field,
    *,
    tolerance: float = 1e-10,
    max_steps: int = 60,
    on_step: Callable[[Step], None] | None = None,
) -> QuadraticFilm:
    """Return the quadratic film with the load of the linear `film`, begun from it.

    boundary: a number or a function of x, y. Raises ConfigurationError for boundary values at nodes only, for meshes
    that are not plane, and for loads other than densities and curves; SolverError where the linear film leaves its
    boundary values, since quadratic films are held, and where Newton stalls.
    """
    if film.mesh.dimension != 2 or not (callable(boundary) or np.ndim(boundary) == 0):
        raise ConfigurationError(
            "Quadratic films need a plane mesh and boundary values between nodes.",
            cure="Give the boundary values as a number or a function of x and y, or take degree=1.",
        )
    if film.outcome == "detached":
        raise SolverError(
            f"The film leaves its boundary values on a length of {film.detached.size:.4g}; quadratic films are held.",
            cure="Take degree=1, which lets it go.",
        )
    return _Quadratic(film, boundary, tolerance, max_steps, on_step).solved()


class _Quadratic:
    """The energy on scikit-fem's space of continuous piecewise quadratics, and Newton on it."""

    def __init__(
        self,
        film: Film,
        boundary: ArrayLike | Field,
        tolerance: float,
        max_steps: int,
        on_step: Callable[[Step], None] | None,
    ) -> None:
        require("curvature", "skfem")
        from skfem import Basis, ElementTriP2, MeshTri

        self.film, self.mesh = film, film.mesh
        self.tolerance, self.max_steps, self.on_step = tolerance, max_steps, on_step
        self.basis = Basis(
            MeshTri(*(np.ascontiguousarray(array.T) for array in (self.mesh.points, self.mesh.triangles))),
            ElementTriP2(),
            intorder=QUADRATURE,
        )
        self.forms = _forms()
        self.edge_unknowns = self._edge_unknowns()
        self.load = self._load(film.load)
        held = self.basis.get_dofs().all()
        self.free = np.setdiff1d(np.arange(self.basis.N), held)
        self.start = np.empty(self.basis.N)
        self.start[self.node_unknowns] = film.u
        self.start[self.edge_unknowns] = film.u[self.mesh.edges].mean(axis=1)
        at = self.basis.doflocs.T[held]
        self.start[held] = evaluate(boundary, at, "boundary") if callable(boundary) else np.asarray(boundary)

    @property
    def node_unknowns(self) -> Any:
        """The unknown (N,) at each node."""
        return self.basis.nodal_dofs[0]

    def solved(self) -> QuadraticFilm:
        u, steps = self.start, []
        for _ in range(self.max_steps):
            residual = self._residual(u)
            if self._misplaced(residual) <= self.tolerance:
                break
            u, damping = self._step(u, residual)
            after = self._misplaced(self._residual(u))
            steps.append(Step(len(u), after, damping, float(np.abs(u).max())))
            if self.on_step is not None:
                self.on_step(steps[-1])
        else:
            raise SolverError(
                f"The quadratic film's residual is {steps[-1].residual:.2g} after {self.max_steps} steps.",
                cure="Refine the mesh where the film is steep, or take degree=1.",
            )
        nodes, middles = u[self.node_unknowns], u[self.edge_unknowns]
        kept = {entry.name: getattr(self.film, entry.name) for entry in fields(Film)}
        kept |= {"u": nodes, "history": (*self.film.history, *steps)}
        return QuadraticFilm(**kept, middles=middles)

    def _step(self, u: Floats, residual: Floats) -> tuple[Floats, float]:
        before = self.basis.interpolate(u)
        matrix = self.forms.hessian.assemble(self.basis, u=before).tocsr()[self.free][:, self.free]
        direction = np.zeros_like(u)
        exactness = float(np.clip(self._misplaced(residual), 1e-10, 1e-2))
        direction[self.free] = solve_positive(matrix, -residual[self.free], exactness)
        slope, damping = float(residual @ direction), 1.0
        way = self.basis.interpolate(direction)
        noise = 8 * np.finfo(np.float64).eps * self.mesh.areas.sum()
        while self._change(before, way, direction, damping) > ARMIJO * damping * slope + noise:
            damping /= 2
            if damping < SHORTEST:
                raise SolverError(
                    "No step downhill was found for the quadratic film.", cure="Refine the mesh."
                )
        return u + damping * direction, damping

    def _change(self, before: Any, way: Any, direction: Floats, damping: float) -> float:
        gained = self.forms.change.assemble(self.basis, u=before, way=way, damping=damping)
        return float(gained + damping * (self.load @ direction))

    def _residual(self, u: Floats) -> Floats:
        residual = self.forms.slope.assemble(self.basis, u=self.basis.interpolate(u)) + self.load
        inside = np.zeros(self.basis.N)
        inside[self.free] = residual[self.free]
        return inside

    def _misplaced(self, residual: Floats) -> float:
        return float(np.abs(residual).sum() / self.mesh.perimeter)

    def _edge_unknowns(self) -> Any:
        """The unknown (E,) at the middle of each edge of the mesh, whose order is not scikit-fem's."""
        count = len(self.mesh.points)
        theirs = np.sort(self.basis.mesh.facets, axis=0)
        keys = theirs[0].astype(np.int64) * count + theirs[1]
        order = np.argsort(keys)
        wanted = self.mesh.edges[:, 0] * count + self.mesh.edges[:, 1]
        return self.basis.facet_dofs[0][order[np.searchsorted(keys[order], wanted)]]

    def _load(self, measure: Measure) -> Floats:
        local = np.zeros((len(self.mesh.triangles), 6))
        for part in measure.parts:
            if isinstance(part, Density) and part.within is None:
                local += _density_shares(self.mesh, part)
            elif isinstance(part, Curve):
                local += _curve_shares(self.mesh, part)
            else:
                raise ConfigurationError(
                    f"Quadratic films carry densities and curves, not {part.describe()}.",
                    cure="Take degree=1.",
                )
        unknowns = np.hstack(
            [self.node_unknowns[self.mesh.triangles], self.edge_unknowns[self.mesh.edges_and_sides[1]]]
        )
        return np.asarray(np.bincount(unknowns.ravel(), local.ravel(), minlength=self.basis.N))


def _density_shares(mesh: Mesh, part: Density) -> Floats:
    shares, weights = rule(2)
    at = np.einsum("qc,tcx->tqx", shares, mesh.points[mesh.triangles])
    values = part.factor * evaluate(part.field, at.reshape(-1, 2), part.name).reshape(at.shape[:2])
    return np.asarray(mesh.areas[:, None] * ((values * weights) @ quadratic_shapes(shares)), dtype=np.float64)


def _curve_shares(mesh: Mesh, part: Curve) -> Floats:
    """Integrate along each piece by Gauss's three points: degree 5, and shape functions are quadratic."""
    pieces = cut_by_mesh(part.vertices, mesh)
    span, share_span = pieces.end - pieces.start, pieces.end_shares - pieces.start_shares
    length = np.linalg.norm(span, axis=1)
    local = np.zeros((len(mesh.triangles), 6))
    for point, weight in zip((1 + LINE[0]) / 2, LINE[1] / 2, strict=True):
        values = evaluate(part.field, pieces.start + point * span, part.name)
        shapes = quadratic_shapes(pieces.start_shares + point * share_span)
        np.add.at(local, pieces.triangle, (part.factor * weight * length * values)[:, None] * shapes)
    return local


@dataclass(frozen=True)
class _Forms:
    """The second variation, the first one and the change of the area, as scikit-fem's forms."""

    hessian: Any
    slope: Any
    change: Any


def _forms() -> _Forms:
    from skfem import BilinearForm, Functional, LinearForm

    def dot(a: Any, b: Any) -> Any:
        return a[0] * b[0] + a[1] * b[1]

    def hessian(v: Any, t: Any, w: Any) -> Any:
        p = w["u"].grad
        q2 = 1 + dot(p, p)
        return (dot(v.grad, t.grad) - dot(p, v.grad) * dot(p, t.grad) / q2) / np.sqrt(q2)

    def slope(t: Any, w: Any) -> Any:
        p = w["u"].grad
        return dot(p, t.grad) / np.sqrt(1 + dot(p, p))

    def change(w: Any) -> Any:
        before, turn = w["u"].grad, w["damping"] * w["way"].grad
        after = before + turn
        return dot(turn, before + after) / (np.sqrt(1 + dot(before, before)) + np.sqrt(1 + dot(after, after)))

    return _Forms(BilinearForm(hessian), LinearForm(slope), Functional(change))
