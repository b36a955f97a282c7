"""What loads a film: a measure made of densities and of masses along curves.

Mass is measured in units in which a film's tension is 1, so that the mean curvature measure of u is the load
(equation div(Du / sqrt(1 + |Du|^2)) = nu). The only thing a P1 solver asks of a measure is its load vector
b_i = integral of the hat function phi_i against nu, (N,) over the mesh's nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from mezzofanti.curvature.crossing import cut_by_mesh
from mezzofanti.curvature.mesh import Floats, Integers, Mesh
from mezzofanti.errors import ConfigurationError

__all__ = ["Curve", "Density", "Measure", "Part", "density", "on_curve", "point_mass"]

Field = Callable[[Floats, Floats], ArrayLike]

# Degree 4 on a triangle with 6 points: G. R. Cowper, Int. J. Numer. Methods Eng. 7 (1973).
_NEAR, _FAR = 0.445948490915965, 0.091576213509771
_CORNER_SHARES = np.array(
    [np.roll([1 - 2 * a, a, a], k) for a in (_NEAR, _FAR) for k in range(3)]
)  # (6 points, 3 corners)
_WEIGHTS = np.repeat([0.223381589678011, 0.109951743655322], 3)

_LINE_POINTS = np.array([0.5 - np.sqrt(0.15), 0.5, 0.5 + np.sqrt(0.15)])  # Gauss, degree 5 on [0, 1]
_LINE_WEIGHTS = np.array([5, 8, 5]) / 18


class Part(Protocol):
    """One summand of a measure."""

    def load(self, mesh: Mesh) -> Floats:
        """Return the integrals (N,) of the hat functions; what lies outside the mesh carries nothing."""

    def scaled(self, factor: float) -> Part:
        """Return this part times a number."""

    def describe(self) -> str:
        """Say in a few words what this part is."""


@dataclass(frozen=True)
class Density:
    """f dx, integrated on each triangle by a rule exact to degree 4 (f times a hat: to degree 3 in f)."""

    field: Field
    name: str
    factor: float = 1.0

    def load(self, mesh: Mesh) -> Floats:
        corners = mesh.points[mesh.triangles]
        at = np.einsum("qc,tcx->tqx", _CORNER_SHARES, corners)
        values = evaluate(self.field, at.reshape(-1, 2), self.name).reshape(at.shape[:2])
        shares_T3 = mesh.areas[:, None] * np.einsum("tq,q,qc->tc", values, _WEIGHTS, _CORNER_SHARES)
        return self.factor * gather(mesh.triangles.ravel(), shares_T3, mesh)

    def scaled(self, factor: float) -> Density:
        return Density(self.field, self.name, self.factor * factor)

    def describe(self) -> str:
        return f"density {self.name}" if self.factor == 1 else f"{self.factor:g} x density {self.name}"


@dataclass(frozen=True, eq=False)
class Curve:
    """rho dH^1 on a polygonal line: exact for constant rho, because hats are linear between mesh edges."""

    vertices: Floats
    field: Field
    name: str
    factor: float = 1.0

    def load(self, mesh: Mesh) -> Floats:
        pieces = cut_by_mesh(self.vertices, mesh)
        span = pieces.end - pieces.start
        at = pieces.start[:, None] + _LINE_POINTS[:, None] * span[:, None]
        values = evaluate(self.field, at.reshape(-1, 2), self.name).reshape(at.shape[:2])
        share = (
            pieces.start_shares[:, None]
            + _LINE_POINTS[:, None] * (pieces.end_shares - pieces.start_shares)[:, None]
        )
        length = np.linalg.norm(span, axis=1)
        mass_P3 = np.einsum("p,pq,q,pqc->pc", length, values, _LINE_WEIGHTS, share)
        corners = mesh.triangles[pieces.triangle].ravel()
        return self.factor * gather(corners, mass_P3, mesh)

    def scaled(self, factor: float) -> Curve:
        return Curve(self.vertices, self.field, self.name, self.factor * factor)

    def describe(self) -> str:
        times = "" if self.factor == 1 else f"{self.factor:g} x "
        return f"{times}mass {self.name} a unit of length on a curve of length {self.length():.4g}"

    def length(self) -> float:
        """Length of the curve."""
        return float(np.linalg.norm(np.diff(self.vertices, axis=0), axis=1).sum())

    def length_inside(self, mesh: Mesh) -> float:
        """Length of what lies in the mesh; the rest carries nothing."""
        pieces = cut_by_mesh(self.vertices, mesh)
        return float(np.linalg.norm(pieces.end - pieces.start, axis=1).sum())

    def heaviest(self) -> float:
        """Largest |mass per unit of length| at the vertices and at the middle of each side."""
        at = np.vstack([self.vertices, (self.vertices[1:] + self.vertices[:-1]) / 2])
        return float(np.abs(self.factor * evaluate(self.field, at, self.name)).max())


@dataclass(frozen=True)
class Measure:
    """A finite sum of parts. Measures are added, and multiplied by numbers."""

    parts: tuple[Part, ...] = ()

    def __add__(self, other: Measure) -> Measure:
        return Measure(self.parts + other.parts)

    def __mul__(self, factor: float) -> Measure:
        return Measure(tuple(part.scaled(float(factor)) for part in self.parts))

    __rmul__ = __mul__

    def load(self, mesh: Mesh) -> Floats:
        """Return b (N,), the integral of each hat function; its sum is the mass inside the mesh.

        Raises ConfigurationError for a part that is not finite, or a curve that misses the mesh altogether.
        """
        return (
            np.sum([part.load(mesh) for part in self.parts], axis=0)
            if self.parts
            else np.zeros(len(mesh.points))
        )

    def total(self, mesh: Mesh) -> float:
        """Return the mass inside the mesh."""
        return float(self.load(mesh).sum())

    @property
    def curves(self) -> tuple[Curve, ...]:
        """The parts that live on curves."""
        return tuple(part for part in self.parts if isinstance(part, Curve))

    def describe(self) -> str:
        """Say in a few words what the parts are."""
        return " + ".join(part.describe() for part in self.parts) or "no load"


def density(value: float | Field, name: str = "") -> Measure:
    """Return the measure with this density: a number, or a function of arrays x, y (mass per unit of area)."""
    return Measure((Density(_field(value), name or _name(value)),))


def on_curve(vertices: ArrayLike, weight: float | Field, *, closed: bool = False, name: str = "") -> Measure:
    """Return a mass along the polygonal line through `vertices` (K, 2).

    weight: mass a unit of length, a number or a function of arrays x, y. A crease of slope s on both sides carries
    2 s / sqrt(1 + s^2), so more than 2 a unit of length is never the curvature of a surface.
    Raises ConfigurationError for fewer than two points, and for a curve that is one point (an atom).
    """
    points = np.asarray(vertices, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise ConfigurationError(
            f"A curve needs at least two points (K, 2), not an array of shape {points.shape}.",
            cure="Give a list such as [[0, 0], [1, 0]].",
        )
    points = np.vstack([points, points[:1]]) if closed else points
    if np.ptp(points, axis=0).max() == 0:
        raise _no_atoms(points[0], None)
    return Measure((Curve(points, _field(weight), name or _name(weight)),))


def point_mass(point: Sequence[float], mass: float) -> Measure:
    """Refuse: no surface over the plane has a point mass of mean curvature. Always raises ConfigurationError."""
    raise _no_atoms(point, mass)


def _no_atoms(point: Sequence[float] | Floats, mass: float | None) -> ConfigurationError:
    where = f"({point[0]:g}, {point[1]:g})"
    radius = "mass / (2 pi)" if mass is None else f"{abs(mass) / (2 * np.pi):.4g}"
    return ConfigurationError(
        f"A point mass at {where} is no mean curvature measure: the mass of a disc is at most its perimeter, "
        f"which shrinks to 0 with the disc, so a point carries none.",
        cure=f"Spread it over a curve, or over a disc of a radius well above {radius}.",
    )


def evaluate(field: Field, at: Floats, name: str) -> Floats:
    """Return the field at the points (P, 2) as (P,). Raises ConfigurationError where it is not finite."""
    values = np.broadcast_to(np.asarray(field(at[:, 0], at[:, 1]), dtype=np.float64), (len(at),))
    wrong = ~np.isfinite(values)
    if wrong.any():
        x, y = at[np.argmax(wrong)]
        raise ConfigurationError(f"{name!r} is not finite at ({x:g}, {y:g}).", cure="Change it there.")
    return values


def _field(value: float | Field) -> Field:
    if callable(value):
        return value
    number = float(value)
    return lambda x, y: np.full(np.shape(x), number)


def _name(value: float | Field) -> str:
    return str(getattr(value, "__name__", "function")) if callable(value) else f"{value:g}"


def gather(nodes: Integers, shares: Floats, mesh: Mesh) -> Floats:
    """Return the sum (N,) of the shares that go to each node."""
    return np.asarray(np.bincount(nodes, shares.ravel(), minlength=len(mesh.points)), dtype=np.float64)
