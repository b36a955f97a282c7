"""Functions of the coordinates, and the rules that integrate them over a simplex."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from inspect import signature

import numpy as np
from numpy.typing import ArrayLike

from mezzofanti.curvature.checking import place
from mezzofanti.curvature.mesh import Floats, Integers, Mesh
from mezzofanti.curvature.refinement import EDGES
from mezzofanti.errors import ConfigurationError

__all__ = ["Constant", "Field", "as_field", "evaluate", "gather", "name_of", "rule"]

Field = Callable[..., ArrayLike]  # one array (P,) a coordinate, to (P,)

LINE = np.polynomial.legendre.leggauss(3)  # degree 5


@lru_cache
def rule(dimension: int) -> tuple[Floats, Floats]:
    """Return barycentric shares (Q, n + 1) and weights (Q,) of sum 1, exact to degree 5, 4 and 5 for n = 1, 2, 3."""
    if dimension == 1:
        at = (1 - LINE[0]) / 2
        return np.column_stack([at, 1 - at]), LINE[1] / 2
    if dimension == 2:  # 6 points: G. R. Cowper, Int. J. Numer. Methods Eng. 7 (1973).
        orbits = [(0.445948490915965, 0.223381589678011), (0.091576213509771, 0.109951743655322)]
        shares = [np.roll([1 - 2 * a, a, a], k) for a, _ in orbits for k in range(3)]
        return np.array(shares), np.repeat([weight for _, weight in orbits], 3)
    # 14 points: N. J. Walkington, Quadrature on simplices of arbitrary dimension (2000).
    orbits = [
        (0.31088591926330060980, 0.11268792571801585080),
        (0.09273525031089122640, 0.07349304311636194934),
    ]
    shares = [np.roll([1 - 3 * a, a, a, a], k) for a, _ in orbits for k in range(4)]
    b = 0.04550370412564964949
    shares += [np.where(np.isin(range(4), pair), 0.5 - b, b) for pair in EDGES[3]]
    return np.array(shares), np.repeat([orbits[0][1], orbits[1][1], 0.04254602077708146643], [4, 4, 6])


def evaluate(field: Field, at: Floats, name: str) -> Floats:
    """Return the field at the points (P, n) as (P,).

    Raises ConfigurationError for a field of other arguments, values of another shape, or values that are not finite.
    """
    try:
        signature(field).bind(*at.T)
    except TypeError as error:
        raise ConfigurationError(
            f"{name!r} does not take {at.shape[1]} coordinates: {error}.",
            cure=f"Give a function of {', '.join('xyz'[: at.shape[1]])}.",
        ) from None
    except ValueError:  # some built-in functions do not tell
        pass
    values = np.asarray(field(*at.T), dtype=np.float64)
    if values.shape not in ((), (len(at),)):
        raise ConfigurationError(
            f"{name!r} gave values of shape {values.shape} at {len(at)} points.",
            cure="Return one value a point: an array of the coordinates' shape, or a number.",
        )
    values = np.broadcast_to(values, (len(at),))
    wrong = ~np.isfinite(values)
    if wrong.any():
        raise ConfigurationError(
            f"{name!r} is not finite at {place(at[np.argmax(wrong)])}.", cure="Change it there."
        )
    return values


@dataclass(frozen=True)
class Constant:
    """A function with one value."""

    value: float

    def __call__(self, *at: Floats) -> Floats:
        return np.full(np.shape(at[0]), self.value)


def as_field(value: float | Field) -> Field:
    """Return a function, constant where a number was given."""
    if callable(value):
        return value
    return Constant(float(value))


def name_of(value: float | Field) -> str:
    """Return what to call a number or a function."""
    return str(getattr(value, "__name__", "function")) if callable(value) else f"{value:g}"


def gather(nodes: Integers, shares: Floats, mesh: Mesh) -> Floats:
    """Return the sum (N,) of the shares that go to each node."""
    return np.asarray(np.bincount(nodes, shares.ravel(), minlength=len(mesh.points)), dtype=np.float64)
