"""Is u subharmonic for the mean curvature operator? On balls, it must lie below minimal graphs with its own values.

u (upper semicontinuous) is subharmonic when for every ball, and every minimal graph h over it that is above u on the
sphere, h is above u inside. One ball where u sticks out, by more than the discretisation may err, refutes it; balls
where it does not are evidence, and no proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from mezzofanti.curvature.checking import place
from mezzofanti.curvature.curvature import mean_curvature_measure, truncated
from mezzofanti.curvature.fields import Field
from mezzofanti.curvature.harnack import Ball, unit_ball, values_at
from mezzofanti.curvature.mesh import Floats, Integers, Mesh
from mezzofanti.curvature.operator import AreaOperator
from mezzofanti.curvature.solve import solve_dirichlet
from mezzofanti.errors import ConfigurationError

__all__ = ["Verdict", "is_subharmonic"]

REFINEMENT = {1: 5, 2: 4, 3: 3}
RADII = (0.95, 0.5, 0.25)  # shares of the distance to the boundary
CELLS = 3.0  # Values at nodes are not looked at on balls of a radius below so many cells.
INNER = 0.8  # Near the sphere a jump of u makes the discrete graph wrong; it is compared within this share.
SAFETY = 2.0
DEEPEST = 2.0  # radii


@dataclass(frozen=True)
class Verdict:
    """What comparison on balls found. It is true (as a condition) where u was nowhere above.

    excess: the most by which u is above a minimal graph with its own values on a sphere, less what the discretisation
    may err there (`allowed`); positive refutes. where: the point; ball: its center and radius; balls: how many tried.
    """

    holds: bool
    excess: float
    allowed: float
    where: tuple[float, ...]
    ball: tuple[tuple[float, ...], float]
    balls: int

    def __bool__(self) -> bool:
        return self.holds


def is_subharmonic(
    u: ArrayLike | Field,
    mesh: Mesh,
    *,
    balls: int | Sequence[Ball] = 24,
    tolerance: float = 1e-9,
) -> Verdict:
    """Compare u with minimal graphs on balls in the domain of `mesh` and say whether it is below all of them.

    u: a function of the coordinates (it may jump, and be -inf on a null set), or values (N,) at the nodes.
    balls: centers and radii, or how many to choose: half where the discrete measure of u is least, half anywhere.
    tolerance: what is allowed beyond the estimated error of discretisation, in units of length.
    Source: the definition of Dai, Trudinger and Wang, by comparison on balls.
    """
    heights = truncated(mesh, u)
    chosen = (
        _balls(mesh, heights, balls, 0.5 if callable(u) else CELLS)
        if isinstance(balls, int)
        else _given(balls)
    )
    if not chosen:
        raise ConfigurationError("The mesh is too coarse for a ball of three cells.", cure="Refine it.")
    sampled = u if callable(u) else heights
    roughness = 0.0 if callable(u) else _roughness(mesh, heights)
    found = [_compared(sampled, mesh, center, radius, roughness) for center, radius in chosen]
    worst = max(range(len(found)), key=lambda k: found[k][0])
    excess, allowed, where = found[worst]
    return Verdict(bool(excess <= tolerance), excess, allowed, where, chosen[worst], len(chosen))


def _compared(
    u: ArrayLike | Field, mesh: Mesh, center: tuple[float, ...], radius: float, roughness: float
) -> tuple[float, float, tuple[float, ...]]:
    """Return the excess of u over the minimal graph beyond what is allowed, what is allowed, and where.

    On the unit ball u(center + radius x) / radius has the same flux, so one mesh serves for all balls.
    """
    fine = unit_ball(mesh.dimension, REFINEMENT[mesh.dimension])
    coarse = unit_ball(mesh.dimension, REFINEMENT[mesh.dimension] - 1)
    scaled = [_scaled(u, mesh, center, radius, level.points) for level in (coarse, fine)]
    graphs = [
        solve_dirichlet(level, boundary=values, relaxed=False, check=False).u
        for level, values in zip((coarse, fine), scaled, strict=True)
    ]
    inner = np.linalg.norm(fine.points, axis=1) <= INNER
    shared = inner[: len(coarse.points)]
    error = np.abs(graphs[1][: len(coarse.points)] - graphs[0])[shared].max()
    above = np.where(inner, scaled[1] - graphs[1], -np.inf)
    worst = int(np.argmax(above))
    allowed = radius * SAFETY * float(error) + roughness
    where = tuple((np.array(center) + radius * fine.points[worst]).tolist())
    return radius * float(above[worst]) - allowed, allowed, where


def _scaled(
    u: ArrayLike | Field, mesh: Mesh, center: tuple[float, ...], radius: float, points: Floats
) -> Floats:
    """Return u(center + radius x) / radius at x (P, n), cut off `DEEPEST` below its highest value there.

    If u is subharmonic, so is max(u, constant); a jump of many radii would say no more, and drown in rounding.
    """
    at = np.array(center) + radius * points
    if callable(u):
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.array(np.broadcast_to(np.asarray(u(*at.T), dtype=np.float64), len(at)))
    else:
        values = values_at(u, at, mesh)
    highest = values.max()
    if not np.isfinite(highest):
        wrong = at[np.argmin(np.isneginf(values) | np.isfinite(values))]
        raise ConfigurationError(
            f"u is not finite at {place(wrong)}.", cure="u may be -inf, on a null set, only."
        )
    return np.asarray(np.maximum(values, highest - DEEPEST * radius) / radius, dtype=np.float64)


def _roughness(mesh: Mesh, heights: Floats) -> float:
    """Return what a smooth function may differ from its values' linear interpolation, by the jumps of the slope.

    On an edge of length h a second derivative K makes slopes jump by K h and the function differ by K h^2 / 8.
    """
    slope = AreaOperator(mesh).slope(heights)
    highest = np.full((len(mesh.points), mesh.dimension), -np.inf)
    lowest = np.full((len(mesh.points), mesh.dimension), np.inf)
    for corner in mesh.triangles.T:
        np.maximum.at(highest, corner, slope)
        np.minimum.at(lowest, corner, slope)
    jump = np.linalg.norm(highest - lowest, axis=1)
    return float(np.quantile(jump, 0.9) * _size(mesh) / 4)


def _size(mesh: Mesh) -> float:
    return float(np.median(np.linalg.norm(np.diff(mesh.points[mesh.edges], axis=1), axis=2)))


def _balls(mesh: Mesh, heights: Floats, count: int, cells: float) -> list[tuple[tuple[float, ...], float]]:
    """Choose balls: half about the nodes where the measure, smoothed twice, is least, half about others."""
    masses = mean_curvature_measure(heights, mesh).masses
    for _ in range(2):
        local = np.repeat(masses[mesh.triangles].mean(axis=1)[:, None], mesh.dimension + 1, axis=1)
        masses = np.bincount(mesh.triangles.ravel(), local.ravel()) / np.bincount(mesh.triangles.ravel())
    rim = np.vstack([mesh.points[mesh.boundary], mesh.points[mesh.boundary_faces].mean(axis=1)])
    distance = cKDTree(rim).query(mesh.points)[0]
    able = np.flatnonzero(distance * RADII[0] >= cells * _size(mesh))
    order = able[np.argsort(masses[able], kind="stable")]
    least = _apart(mesh.points, order, 2 * _size(mesh), (count + 1) // 2)
    others = np.random.default_rng(0).permutation(np.setdiff1d(able, least))[: count // 2]
    chosen = []
    for turn, node in enumerate([*least, *others]):
        share = RADII[turn % len(RADII)]
        radius = max(share * distance[node], cells * _size(mesh))
        chosen.append((tuple(mesh.points[node].tolist()), float(radius)))
    return chosen


def _apart(points: Floats, order: Integers, gap: float, count: int) -> list[int]:
    """Return the first nodes in order that keep a distance from each other."""
    kept: list[int] = []
    for node in order:
        if all(np.linalg.norm(points[node] - points[other]) >= gap for other in kept):
            kept.append(int(node))
        if len(kept) == count:
            break
    return kept


def _given(balls: Sequence[Ball]) -> list[tuple[tuple[float, ...], float]]:
    return [
        (tuple(np.atleast_1d(np.asarray(center, float)).tolist()), float(radius)) for center, radius in balls
    ]
