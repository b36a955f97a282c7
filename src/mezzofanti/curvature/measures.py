"""What loads a film: a measure made of densities, of masses along curves and surfaces, of the measures of functions.

Mass is measured in units in which a film's tension is 1, so that the mean curvature measure of u is the load
(equation div(Du / sqrt(1 + |Du|^2)) = nu). The only thing a P1 solver asks of a measure is its load vector
b_i = integral of the hat function phi_i against nu, (N,) over the mesh's nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike

from mezzofanti.curvature.checking import place
from mezzofanti.curvature.densities import Atom, Density
from mezzofanti.curvature.fields import Field, as_field, evaluate, gather, name_of
from mezzofanti.curvature.lines import Curve
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.regions import Inside, Intervals, Region, region
from mezzofanti.curvature.surfaces import Surface
from mezzofanti.errors import ConfigurationError

__all__ = [
    "Curve",
    "Density",
    "Field",
    "Measure",
    "Part",
    "Surface",
    "density",
    "evaluate",
    "gather",
    "on_curve",
    "on_surface",
    "point_mass",
]

MOST_AT_A_POINT = 2.0  # In one dimension g runs from -1 to 1.


class Part(Protocol):
    """One summand of a measure."""

    def load(self, mesh: Mesh) -> Floats:
        """Return the integrals (N,) of the hat functions; what lies outside the mesh carries nothing."""

    def mass(self, region: Region) -> float:
        """Return the mass inside a region."""

    def restricted(self, region: Region) -> Part:
        """Return what lies in a region."""

    def scaled(self, factor: float) -> Part:
        """Return this part times a number."""

    def describe(self) -> str:
        """Say in a few words what this part is."""


class Measure:
    """A finite sum of parts. Measures are added, multiplied by numbers, and restricted to regions.

    A film carries none that is negative somewhere: that is refused when it is solved for.
    """

    def __init__(self, parts: Iterable[Part] = ()) -> None:
        self.parts: tuple[Part, ...] = tuple(parts)
        self._loads: WeakKeyDictionary[Mesh, Floats] = (
            WeakKeyDictionary()
        )  # weighed, checked and solved: asked thrice

    def __add__(self, other: Measure) -> Measure:
        return Measure(self.parts + other.parts)

    def __mul__(self, factor: float) -> Measure:
        return Measure(part.scaled(float(factor)) for part in self.parts)

    __rmul__ = __mul__

    def restricted(
        self,
        *,
        box: Intervals | None = None,
        disc: tuple[Sequence[float] | float, float] | None = None,
        inside: Inside | None = None,
    ) -> Measure:
        """Return the measure of what lies in a region: a box, a disc, or where a function of x, y holds."""
        where = region(box, disc, inside)
        return Measure(part.restricted(where) for part in self.parts)

    def load(self, mesh: Mesh) -> Floats:
        """Return b (N,), the integral of each hat function; its sum is the mass inside the mesh.

        Raises ConfigurationError for a part that is not finite, or a curve that misses the mesh.
        """
        if mesh not in self._loads:
            loads = [part.load(mesh) for part in self.parts]
            self._loads[mesh] = np.sum(loads, axis=0) if loads else np.zeros(len(mesh.points))
        return self._loads[mesh].copy()

    def mass(
        self,
        *,
        box: Intervals | None = None,
        disc: tuple[Sequence[float] | float, float] | None = None,
        inside: Inside | None = None,
    ) -> float:
        """Return the mass of a region; of densities only for boxes and discs, whose extent is known."""
        where = region(box, disc, inside)
        return float(sum(part.mass(where) for part in self.parts))

    def total(self, mesh: Mesh) -> float:
        """Return the mass inside the mesh."""
        return float(self.load(mesh).sum())

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The parts that live on curves."""
        return tuple(part for part in self.parts if isinstance(part, Curve))

    @property
    def surfaces(self) -> tuple[Surface, ...]:
        """The parts that live on surfaces in space."""
        return tuple(part for part in self.parts if isinstance(part, Surface))

    def describe(self) -> str:
        """Say in a few words what the parts are."""
        return " + ".join(part.describe() for part in self.parts) or "no load"

    def __repr__(self) -> str:
        return f"Measure({self.describe()})"


def density(value: float | Field, name: str = "") -> Measure:
    """Return the measure with this density: a number, or a function of arrays x, y (mass per unit of area)."""
    return Measure((Density(as_field(value), name or name_of(value)),))


def on_curve(vertices: ArrayLike, weight: float | Field, *, closed: bool = False, name: str = "") -> Measure:
    """Return a mass along the polygonal line through `vertices` (K, 2).

    weight: mass a unit of length, a number or a function of arrays x, y. A crease of slope s on both sides carries
    2 s / sqrt(1 + s^2), so more than 2 a unit of length is never the curvature of a surface.
    Raises ConfigurationError for fewer than two points, and for a curve that is one point (an atom).
    """
    points = np.asarray(vertices, dtype=np.float64)
    if points.ndim == 2 and points.shape[1] == 3:
        raise ConfigurationError(
            "A curve in space carries no mean curvature: a thin tube about it has as little area as one likes.",
            cure="Spread the mass over a surface (on_surface), or over a tube.",
        )
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise ConfigurationError(
            f"A curve needs at least two points (K, 2), not an array of shape {points.shape}.",
            cure="Give a list such as [[0, 0], [1, 0]].",
        )
    points = np.vstack([points, points[:1]]) if closed else points
    if np.ptp(points, axis=0).max() == 0:
        raise _no_atoms(points[0], None)
    return Measure((Curve(points, as_field(weight), name or name_of(weight)),))


def on_surface(
    vertices: ArrayLike, triangles: ArrayLike, weight: float | Field, *, name: str = ""
) -> Measure:
    """Return a mass on the surface in space with these vertices (K, 3) and triangles (S, 3).

    weight: mass a unit of area, a number or a function of arrays x, y, z; more than 2 is never a curvature.
    """
    points, corners = np.asarray(vertices, dtype=np.float64), np.asarray(triangles, dtype=np.int64)
    fits = points.ndim == corners.ndim == 2 and points.shape[1] == corners.shape[1] == 3 and len(corners)
    if not fits or not np.isfinite(points).all() or corners.min() < 0 or corners.max() >= len(points):
        raise ConfigurationError(
            f"A surface needs vertices (K, 3) and triangles (S, 3) of their indices, not {points.shape} and "
            f"{corners.shape}.",
            cure="Count vertices from 0.",
        )
    return Measure((Surface(points[corners], as_field(weight), name or name_of(weight)),))


def point_mass(point: Sequence[float] | float, mass: float) -> Measure:
    """Return a mass of at most 2 at a point of the line. Elsewhere there is none: raises ConfigurationError."""
    at = np.atleast_1d(np.asarray(point, dtype=np.float64))
    if len(at) > 1:
        raise _no_atoms(at, mass)
    if not abs(mass) <= MOST_AT_A_POINT:
        raise ConfigurationError(
            f"A mass of {mass:g} at {at[0]:g} is more than a graph over the line can bend: its slope's sine g runs "
            f"from -1 to 1.",
            cure="Keep it below 2, or spread it over an interval.",
        )
    return Measure((Atom(float(at[0]), float(mass)),))


def _no_atoms(point: Floats, mass: float | None) -> ConfigurationError:
    radius = "mass / (2 pi)" if mass is None else f"{abs(mass) / (2 * np.pi):.4g}"
    return ConfigurationError(
        f"A point mass at {place(point)} is no mean curvature measure: the mass of a disc is at most its perimeter, "
        f"which shrinks to 0 with the disc, so a point carries none.",
        cure=f"Spread it over a curve, or over a disc of a radius well above {radius}.",
    )
