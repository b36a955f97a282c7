"""Surfaces whose mean curvature measure is known: what a solver must reproduce.

Each function returns a `Known`: the height u(x, y), the measure, and the formula in words. Source: section 2 of the
specification; classical (Scherk 1834, Delaunay 1841), the measures by the divergence theorem.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mezzofanti.curvature.measures import Field, Measure, density, on_curve
from mezzofanti.curvature.mesh import Floats
from mezzofanti.errors import ConfigurationError

__all__ = [
    "Known",
    "cap",
    "catenoid",
    "circle",
    "circle_mass",
    "cone",
    "cylinder",
    "delaunay",
    "extremal_ring",
    "helicoid",
    "kink",
    "radial",
    "scherk",
]


@dataclass(frozen=True)
class Known:
    """A height u(x, y) and the measure div(Du / sqrt(1 + |Du|^2)) it has, on any domain where u is finite."""

    height: Field
    measure: Measure
    formula: str


def cap(radius: float, dimension: int = 2) -> Known:
    """Return the lower half of a sphere, -sqrt(R^2 - r^2), of density n / R, over balls of radius at most R."""
    return Known(
        lambda *at: -np.sqrt(np.maximum(radius**2 - _distance(at) ** 2, 0.0)),
        density(dimension / radius),
        f"u = -sqrt(R^2 - r^2), density {dimension}/R",
    )


def cylinder(radius: float) -> Known:
    """Return the lower half of a cylinder, -sqrt(R^2 - x^2), of density 1 / R, where |x| <= R."""
    return Known(
        lambda x, y: -np.sqrt(np.maximum(radius**2 - x**2, 0.0)),
        density(1 / radius),
        "u = -sqrt(R^2 - x^2), density 1/R",
    )


def catenoid(neck: float) -> Known:
    """Return c arccosh(r / c), minimal where r > c."""
    return Known(
        lambda x, y: neck * np.arccosh(np.hypot(x, y) / neck), Measure(), "u = c arccosh(r/c), minimal"
    )


def scherk() -> Known:
    """Return log(cos y / cos x), minimal on |x|, |y| < pi / 2, infinite on that square's sides."""
    return Known(lambda x, y: np.log(np.cos(y) / np.cos(x)), Measure(), "u = log(cos y / cos x), minimal")


def helicoid() -> Known:
    """Return the angle atan2(y, x), minimal where x > 0."""
    return Known(lambda x, y: np.arctan2(y, x), Measure(), "u = angle, minimal")


def kink(slope: float, ends: Sequence[Sequence[float]] = ((0.0, -1.0), (0.0, 1.0))) -> Known:
    """Return s |x|, with mass 2 s / sqrt(1 + s^2) a unit of length on x = 0, drawn between `ends`."""
    mass = 2 * slope / np.hypot(1.0, slope)
    return Known(lambda x, y: slope * np.abs(x), on_curve(ends, mass), "u = s|x|, 2s/sqrt(1 + s^2) on x = 0")


def cone(slope: float) -> Known:
    """Return s r: density s / (r sqrt(1 + s^2)), and no mass at the tip."""
    sine = slope / np.hypot(1.0, slope)
    return Known(
        lambda x, y: slope * np.hypot(x, y),
        density(lambda x, y: sine / np.hypot(x, y), f"{sine:.4g}/r"),
        "u = s r, density s/(r sqrt(1 + s^2))",
    )


def extremal_ring(radius: float, depth: float = 0.0, sides: int = 384) -> Known:
    """Return the largest mass a circle carries, its length: the film outside leaves it vertically.

    Inside it is flat, and lower by any `depth`: the jump is free, and a film under this load is not unique.
    """
    outside = circle_mass(radius, radius, sides)
    return Known(
        lambda x, y: np.where(np.hypot(x, y) < radius, -depth, outside.height(x, y)),
        outside.measure,
        "u = rho arccosh(r/rho) outside, -depth inside, 1 on r = rho",
    )


def circle_mass(neck: float, radius: float, sides: int = 384) -> Known:
    """Return c arccosh(max(r, rho) / c): c / rho a unit of length on r = rho, 2 pi c in all, 0 < c <= rho.

    The measure lives on a polygon of `sides`; at c = rho it is extremal and the film leaves it vertically.
    """
    if not 0 < neck <= radius:
        raise ConfigurationError(
            f"A circle of radius {radius:g} cannot carry a neck of {neck:g}: its mass is at most its length.",
            cure="Keep 0 < neck <= radius.",
        )
    return Known(
        lambda x, y: neck * np.arccosh(np.maximum(np.hypot(x, y), radius) / neck),
        on_curve(circle(radius, sides), neck / radius, closed=True),
        "u = c arccosh(max(r, rho)/c), c/rho on r = rho",
    )


def circle(radius: float, sides: int) -> Floats:
    """Return the corners (sides, 2) of a regular polygon about the origin, the first one at angle 0."""
    angle = 2 * np.pi * np.arange(sides) / sides
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def delaunay(curvature: float, constant: float, outer: float) -> Known:
    """Return the radial u of constant density H, whose flux is H r / 2 + k / r, with u = 0 at r = outer.

    k = 0 is a sphere, H = 0 a catenoid. Valid where the flux is below 1 in absolute value.
    """
    u = radial(lambda r: curvature * r / 2 + constant / r, outer)
    return Known(u, density(curvature), "u'/sqrt(1 + u'^2) = H r/2 + k/r, density H")


def radial(flux: Callable[[Floats], Floats], outer: float, breaks: Sequence[float] = ()) -> Field:
    """Return u = - integral from r to `outer` of m / sqrt(1 - m^2), for a flux m(r) along the radius, in any dimension.

    In n dimensions m(r) = nu(B_r) / (area of the sphere of radius r): nu(B_r) / (2 pi r) in the plane. This solves
    every radial load with |m| < 1. `breaks` are radii where m jumps. By Gauss, 48 points a piece.
    """
    nodes, weights = np.polynomial.legendre.leggauss(48)

    def height(*at: Floats) -> Floats:
        r = np.minimum(_distance(at), outer)
        total = np.zeros_like(r)
        cuts = [0.0, *sorted(breaks), outer]
        for low, high in itertools.pairwise(cuts):
            begin = np.clip(r, low, high)
            half = (high - begin) / 2
            middle = begin[..., None] + half[..., None] * (nodes + 1)
            m = flux(middle)
            total -= half * ((m / np.sqrt(1 - m**2)) @ weights)
        return total

    return height


def _distance(at: Sequence[Floats]) -> Floats:
    return np.asarray(np.sqrt(sum(np.asarray(x, dtype=np.float64) ** 2 for x in at)), dtype=np.float64)
