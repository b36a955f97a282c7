"""Films on meshes that are refined where they are wrong.

Solve, estimate, mark, refine. Cells are marked that together hold half the squared indicator (W. Doerfler 1996), and
cut by scikit-fem's red-green-blue rule, which keeps angles from degenerating. Each solve begins from the film before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from mezzofanti.curvature.fields import Field
from mezzofanti.curvature.indicator import error_indicator
from mezzofanti.curvature.measures import Measure
from mezzofanti.curvature.mesh import Floats, Integers, Mesh
from mezzofanti.curvature.solve import Film, _told_apart, solve_dirichlet
from mezzofanti.errors import ConfigurationError, require

__all__ = ["AdaptiveFilm", "Level", "refined_at", "solve_adaptively"]

HALF = 0.5


@dataclass(frozen=True)
class Level:
    """One solve: nodes of its mesh, and the root of the indicator's sum of squares."""

    nodes: int
    estimate: float


@dataclass(frozen=True, eq=False)
class AdaptiveFilm:
    """The film on the last mesh, its indicator (T,), and what the meshes before gave."""

    film: Film
    indicator: Floats
    levels: tuple[Level, ...]


def solve_adaptively(
    mesh: Mesh,
    measure: Measure | Field | None = None,
    boundary: float | Field | Measure = 0.0,
    *,
    nodes: int = 20_000,
    tolerance: float = 0.0,
    marked: float = HALF,
    on_level: Callable[[Level, Film], None] | None = None,
) -> AdaptiveFilm:
    """Return the film on a mesh refined from `mesh` (plane) until it has `nodes` nodes or its estimate is `tolerance`.

    boundary: a number or a function of x, y; values at nodes would say nothing between them. As in `solve_dirichlet`
    the two may come in either order. marked: share of the squared indicator in the cells that are cut. on_level:
    called after each solve. The load is weighed once, before the first.
    Raises what `solve_dirichlet` raises, and ConfigurationError for meshes that are not plane.
    """
    load, held = _told_apart(measure, boundary)
    if not (callable(held) or np.ndim(held) == 0) or not 0 < marked <= 1:
        raise ConfigurationError(
            "Adaptive refinement needs boundary values between nodes, and a share of 0 < marked <= 1.",
            cure="Give the boundary values as a number or a function of x and y.",
        )
    levels: list[Level] = []
    while True:
        film = solve_dirichlet(mesh, load, held, check=not levels)
        eta = error_indicator(mesh, film.u, load)
        levels.append(Level(len(mesh.points), float(np.linalg.norm(eta))))
        if on_level is not None:
            on_level(levels[-1], film)
        if levels[-1].estimate <= tolerance or len(mesh.points) >= nodes:
            return AdaptiveFilm(film, eta, tuple(levels))
        mesh = refined_at(mesh, _heaviest(eta, marked))


def refined_at(mesh: Mesh, cells: ArrayLike) -> Mesh:
    """Return the plane mesh with these cells cut in four, and others cut so that it stays conforming.

    Its `coarser` is `mesh`; nodes that come to lie on a curved boundary of a disc are put on it.
    """
    if mesh.dimension != 2:
        raise ConfigurationError(
            f"A mesh of dimension {mesh.dimension} is not refined locally.", cure="Use mesh.refined()."
        )
    chosen, count = np.asarray(cells, dtype=np.int64), len(mesh.triangles)
    if chosen.size and not 0 <= chosen.min() <= chosen.max() < count:
        wrong = chosen[(chosen < 0) | (chosen >= count)][0]
        raise ConfigurationError(
            f"There is no cell {wrong}: cells are 0 to {count - 1}.", cure="Give rows of mesh.triangles."
        )
    require("curvature", "skfem")
    from skfem import MeshTri

    coarse = MeshTri(np.ascontiguousarray(mesh.points.T), np.ascontiguousarray(mesh.triangles.T))
    cut = coarse.refined(chosen)
    fine = Mesh(cut.p.T.copy(), cut.t.T)
    if mesh._rim is not None:
        fine.points[fine.boundary] = mesh._rim(fine.points[fine.boundary])
    fine.coarser, fine._midpoint_ends, fine._rim = mesh, _ends(mesh, cut.p.T[len(mesh.points) :]), mesh._rim
    return fine


def _ends(mesh: Mesh, middles: Floats) -> Integers:
    """Return the ends (K, 2) of the edges whose middles these are."""
    edges = mesh.edges
    tree = cKDTree(mesh.points[edges].mean(axis=1))
    return np.asarray(edges[tree.query(middles)[1]], dtype=np.int64)


def _heaviest(eta: Floats, share: float) -> Integers:
    """Return the fewest cells that hold this share of the sum of squares."""
    order = np.argsort(-eta, kind="stable")
    held = np.cumsum(eta[order] ** 2)
    return np.asarray(order[: 1 + int(np.searchsorted(held, share * held[-1]))], dtype=np.int64)
