"""Perron's lifting: on a ball, the minimal graph with the same values on the sphere; elsewhere u.

For a subharmonic u the lift is above u and subharmonic again. Where Laplace's equation would mollify, this equation
lifts: a mollified subharmonic function is not subharmonic in general, because the operator is not linear.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from mezzofanti.curvature.curvature import truncated
from mezzofanti.curvature.fields import Field
from mezzofanti.curvature.harnack import Ball
from mezzofanti.curvature.mesh import Floats, Integers, Mesh
from mezzofanti.curvature.newton import Lost, Newton
from mezzofanti.errors import ConfigurationError, SolverError

__all__ = ["perron_lift", "perron_sequence", "perron_solution"]

TOLERANCE = 1e-11
MOST_STEPS = 80


def perron_lift(u: ArrayLike | Field, ball: Ball, mesh: Mesh) -> Floats:
    """Return the lift (N,) of u over a ball (center, radius): values at the nodes of `mesh`.

    u: values (N,) at the nodes, or a function of the coordinates, which may be -inf on a null set (it is cut off).
    The ball is made of the cells all of whose corners lie in it; where it leaves the domain, the domain cuts it off.
    Raises ConfigurationError for a ball in which no node is inside, SolverError where Newton finds no minimal graph.
    """
    heights = truncated(mesh, u).copy()
    within, used = _ball(mesh, ball)
    sphere = Newton(
        within,
        np.zeros(len(used)),
        heights[used],
        relaxed=False,
        tolerance=TOLERANCE,
        max_steps=MOST_STEPS,
    )
    try:
        heights[used] = sphere.run(heights[used])
    except Lost as lost:
        raise SolverError(f"No minimal graph was found over the ball {ball}: {lost.symptom}.") from None
    return heights


def perron_sequence(
    u: ArrayLike | Field, center: Sequence[float] | float, radii: Sequence[float], mesh: Mesh
) -> list[Floats]:
    """Return the lifts (N,) of u over balls about one center: the smaller the ball, the nearer the lift to u.

    For a subharmonic u and decreasing radii the lifts decrease, to u itself: this stands in for mollification.
    """
    heights = truncated(mesh, u)
    return [perron_lift(heights, (center, radius), mesh) for radius in radii]


def perron_solution(
    u: ArrayLike | Field, mesh: Mesh, *, radius: float | None = None, sweeps: int = 30, enough: float = 1e-8
) -> Iterator[Floats]:
    """Yield u lifted over a cover by balls, swept through again and again: for a subharmonic u it increases.

    Its limit is the minimal graph with the boundary values of u (Perron's solution). radius: of the balls, a quarter
    of the domain's diameter by default. Ends after `sweeps`, or when no node moves by more than `enough`.
    """
    heights = truncated(mesh, u)
    size = mesh.diameter / 4 if radius is None else radius
    balls = list(_cover(mesh, size))
    for _ in range(sweeps):
        before = heights
        for center in balls:
            heights = perron_lift(heights, (center, size), mesh)
        yield heights
        if np.abs(heights - before).max() <= enough:
            return


def _ball(mesh: Mesh, ball: Ball) -> tuple[Mesh, Integers]:
    """Return the mesh of the cells in the ball, and which nodes of `mesh` its nodes are."""
    center = np.atleast_1d(np.asarray(ball[0], dtype=np.float64))
    inside = np.linalg.norm(mesh.points - center, axis=1) <= ball[1] * (1 + 1e-12)
    cells = mesh.triangles[inside[mesh.triangles].all(axis=1)]
    if len(cells):
        used, corners = np.unique(cells, return_inverse=True)
        within = Mesh._trusted(mesh.points[used], corners.reshape(cells.shape))
        if len(within.interior):
            return within, used
    raise ConfigurationError(
        f"The ball of radius {ball[1]:g} holds no node inside.",
        cure="Take a larger ball, or refine the mesh.",
    )


def _cover(mesh: Mesh, radius: float) -> Iterator[tuple[float, ...]]:
    """Yield centers of balls on a lattice, so near that they overlap by half, whose balls hold a node inside."""
    low, high = mesh.points.min(axis=0), mesh.points.max(axis=0)
    counts = np.ceil((high - low) / radius * np.sqrt(mesh.dimension)).astype(int)
    axes = [np.linspace(a, b, k + 1) for a, b, k in zip(low, high, counts, strict=True)]
    for center in itertools.product(*axes):
        try:
            _ball(mesh, (center, radius))
        except ConfigurationError:
            continue
        yield center
