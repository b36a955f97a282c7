"""Harnack's quotient: how much larger a positive function is at one place of a ball than at another.

For minimal graphs it is bounded only where the height is small against the radius (or on a ball of a radius that
depends on it): on a fixed share of the ball no bound depends on the dimension alone. `experiments.py` shows both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from mezzofanti.curvature.checking import place
from mezzofanti.curvature.fields import Field, evaluate
from mezzofanti.curvature.film import Film
from mezzofanti.curvature.locate import interpolate
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.errors import ConfigurationError

__all__ = ["Ball", "harnack_quotient", "unit_ball", "values_at"]

Ball = tuple[Sequence[float] | float, float]  # center and radius

FINENESS = {1: 64, 2: 5, 3: 3}


@lru_cache
def unit_ball(dimension: int, refinement: int | None = None) -> Mesh:
    """Return a mesh of the ball of radius 1 about the origin; on the line `refinement` counts halvings."""
    if dimension == 1:
        return Mesh.interval(-1, 1, cells=FINENESS[1] if refinement is None else 2 << refinement)
    steps = FINENESS[dimension] if refinement is None else refinement
    return Mesh.disc(refinement=steps) if dimension == 2 else Mesh.ball(refinement=steps)


def values_at(u: ArrayLike | Field, at: Floats, mesh: Mesh | None) -> Floats:
    """Return u at points (P, n): a function of the coordinates, or values (N,) at the nodes of `mesh`.

    Raises ConfigurationError for points outside the mesh, and for values without one.
    """
    if callable(u):
        return evaluate(u, at, "u")
    if mesh is None:
        raise ConfigurationError("Values at nodes need their mesh.", cure="Give mesh=.")
    found = interpolate(mesh, np.asarray(u, dtype=np.float64), at)
    if np.isnan(found).any():
        raise ConfigurationError(
            f"{place(at[np.argmax(np.isnan(found))])} lies outside the mesh.", cure="Take a smaller ball."
        )
    return found


def harnack_quotient(
    u: ArrayLike | Field | Film,
    center: Sequence[float] | float,
    radius: float,
    *,
    mesh: Mesh | None = None,
) -> float:
    """Return sup u / inf u on the closed ball, as seen on a fine mesh of it and at the nodes of u's own.

    u: a film, a function of the coordinates, or values (N,) at the nodes of `mesh`.
    Raises ConfigurationError where u is not positive on the ball, or the ball leaves the mesh.
    """
    middle = np.atleast_1d(np.asarray(center, dtype=np.float64))
    if not radius > 0:
        raise ConfigurationError(f"A ball of radius {radius:g} is empty.", cure="Give a positive radius.")
    at = middle + radius * unit_ball(len(middle)).points
    inner = middle + (1 - 1e-9) * (at - middle)  # a hair inside, should the ball touch the boundary
    if isinstance(u, Film):
        mesh, u = u.mesh, u.u
    values = [values_at(u, inner, mesh)]
    if mesh is not None and not callable(u):
        within = np.linalg.norm(mesh.points - middle, axis=1) <= radius
        values.append(np.asarray(u, dtype=np.float64)[within])
    all_values = np.concatenate(values)
    if all_values.min() <= 0:
        raise ConfigurationError(
            f"u falls to {all_values.min():g} on the ball of radius {radius:g} about {place(middle)}.",
            cure="Harnack's quotient is for positive functions: add a constant.",
        )
    return float(all_values.max() / all_values.min())
