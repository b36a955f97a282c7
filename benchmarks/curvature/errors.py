"""Errors of films against exact surfaces, by quadrature of degree 8, and rates fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from mezzofanti.curvature import Film, Mesh
from mezzofanti.curvature.fields import Field
from mezzofanti.curvature.mesh import Floats
from mezzofanti.curvature.operator import AreaOperator
from mezzofanti.curvature.quadratic import QuadraticFilm

__all__ = ["errors", "rate"]

DEGREE = 8
STEP = 1e-5  # Of central differences, whose error of 1e-10 lies far below those measured.


def errors(film: Film | QuadraticFilm, height: Field) -> tuple[float, float]:
    """Return the error in L2 and in the H1-seminorm of a film over a plane domain or a body."""
    mesh = film.mesh
    shares, weights = _rule(mesh.dimension)
    if isinstance(film, QuadraticFilm):
        heights, slopes = film.at(shares)
    else:
        heights = film.u[mesh.triangles] @ shares.T
        slopes = AreaOperator(mesh).slope(film.u)[:, None]
    at = np.einsum("qc,tcx->tqx", shares, mesh.points[mesh.triangles])
    wrong = heights - _height(height, at)
    turned = ((slopes - _slope(height, at)) ** 2).sum(axis=2)
    parts = mesh.areas[:, None] * weights
    return float(np.sqrt((parts * wrong**2).sum())), float(np.sqrt((parts * turned).sum()))


def rate(sizes: Sequence[float], wrong: Sequence[float], last: int = 2) -> float:
    """Return p in wrong ~ size^p, fitted to the last values."""
    return float(np.polyfit(np.log(sizes[-last:]), np.log(wrong[-last:]), 1)[0])


def length(mesh: Mesh) -> float:
    """Return unknowns^(-1/n), the spacing of a uniform grid of as many nodes, in the unit of length."""
    return float(len(mesh.interior) ** (-1 / mesh.dimension))


def _height(height: Field, at: Floats) -> Floats:
    return np.asarray(height(*np.moveaxis(at, -1, 0)), dtype=np.float64)


def _slope(height: Field, at: Floats) -> Floats:
    steps = STEP * np.eye(at.shape[-1])
    both = [(_height(height, at + step) - _height(height, at - step)) / (2 * STEP) for step in steps]
    return np.stack(both, axis=-1)


@lru_cache
def _rule(dimension: int) -> tuple[Floats, Floats]:
    from skfem.quadrature import get_quadrature
    from skfem.refdom import RefTet, RefTri

    points, weights = get_quadrature(RefTri if dimension == 2 else RefTet, DEGREE)
    return np.vstack([1 - points.sum(axis=0), points]).T, weights / weights.sum()
