"""Masses on polygonal lines in the plane."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from mezzofanti.curvature.crossing import cut_by_mesh
from mezzofanti.curvature.fields import Field, evaluate, gather
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.regions import Region
from mezzofanti.errors import ConfigurationError

__all__ = ["Curve"]

_LINE_POINTS = np.array([0.5 - np.sqrt(0.15), 0.5, 0.5 + np.sqrt(0.15)])  # Gauss, degree 5 on [0, 1]
_LINE_WEIGHTS = np.array([5, 8, 5]) / 18
PIECES = 64  # A segment is looked at in so many pieces for where it enters a region, and for its mass.


@dataclass(frozen=True, eq=False)
class Curve:
    """rho dH^1 on a polygonal line: exact for constant rho, because hats are linear between mesh edges."""

    vertices: Floats
    field: Field
    name: str
    factor: float = 1.0

    def load(self, mesh: Mesh) -> Floats:
        """Return the integrals (N,) of the hat functions; what lies outside the mesh carries nothing."""
        if mesh.dimension != 2:
            raise ConfigurationError(
                f"A curve in the plane was laid on a domain of dimension {mesh.dimension}.",
                cure="Use point_mass on an interval, on_surface in space.",
            )
        pieces = cut_by_mesh(self.vertices, mesh)
        span = pieces.end - pieces.start
        share = (
            pieces.start_shares[:, None]
            + _LINE_POINTS[:, None] * (pieces.end_shares - pieces.start_shares)[:, None]
        )
        values = self._weights(pieces.start, span)
        length = np.linalg.norm(span, axis=1)
        mass_P3 = np.einsum("p,pq,q,pqc->pc", length, values, _LINE_WEIGHTS, share)
        corners = mesh.triangles[pieces.triangle].ravel()
        return self.factor * gather(corners, mass_P3, mesh)

    def mass(self, region: Region) -> float:
        """Return the mass inside the region, exact for a constant weight and a box."""
        vertices = _broken(self.vertices, region, PIECES)
        span = np.diff(vertices, axis=0)
        inside = region.holds(vertices[:-1] + span / 2)
        values = self._weights(vertices[:-1][inside], span[inside])
        lengths = np.linalg.norm(span[inside], axis=1)
        return float(self.factor * (lengths @ (values @ _LINE_WEIGHTS)))

    def _weights(self, start: Floats, span: Floats) -> Floats:
        at = (start[:, None] + _LINE_POINTS[:, None] * span[:, None]).reshape(-1, 2)
        return evaluate(self.field, at, self.name).reshape(-1, 3)

    def scaled(self, factor: float) -> Curve:
        """Return this part times a number."""
        return Curve(self.vertices, self.field, self.name, self.factor * factor)

    def restricted(self, region: Region) -> Curve:
        """Return what lies in the region: the line gets a vertex wherever it enters or leaves."""
        field = self.field

        def inside(x: Floats, y: Floats) -> Floats:
            held = region.holds(np.column_stack([x, y]))
            return np.where(held, np.broadcast_to(np.asarray(field(x, y), dtype=np.float64), held.shape), 0.0)

        name = f"{self.name} in {region.name}"
        return Curve(_broken(self.vertices, region, 1), inside, name, self.factor)

    def describe(self) -> str:
        """Say in a few words what this part is."""
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


def _broken(vertices: Floats, region: Region, pieces: int) -> Floats:
    """Return the line with a vertex wherever it crosses the region's boundary, and `pieces` to a segment besides."""
    parts = []
    for start, end in itertools.pairwise(vertices):
        times = np.concatenate([_crossings(start, end, region), np.linspace(0, 1, pieces + 1)])
        parts.append(start + np.unique(times.clip(0, 1))[:, None] * (end - start))
    return np.vstack([part[:-1] for part in parts] + [vertices[-1:]])


def _crossings(start: Floats, end: Floats, region: Region) -> Floats:
    if region.box is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            times = (np.array(region.box) - start[:, None]) / (end - start)[:, None]
        return np.asarray(times[np.isfinite(times)], dtype=np.float64)
    low, high = np.linspace(0, 1, PIECES + 1)[:-1], np.linspace(0, 1, PIECES + 1)[1:]
    turns = region.holds(start + low[:, None] * (end - start)) != region.holds(
        start + high[:, None] * (end - start)
    )
    low, high = low[turns], high[turns]
    first = region.holds(start + low[:, None] * (end - start))
    for _ in range(50):
        middle = (low + high) / 2
        same = region.holds(start + middle[:, None] * (end - start)) == first
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.asarray(high, dtype=np.float64)
