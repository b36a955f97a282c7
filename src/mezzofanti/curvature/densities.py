"""Masses with a density, and the point masses that only the line knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mezzofanti.curvature.clipping import clip, fan
from mezzofanti.curvature.dual import dual_volumes
from mezzofanti.curvature.fields import Constant, Field, evaluate, gather, rule
from mezzofanti.curvature.locate import locate
from mezzofanti.curvature.mesh import Floats, Integers, Mesh
from mezzofanti.curvature.quadrature import Holds, halved, hat_masses
from mezzofanti.curvature.regions import Region, both, integral
from mezzofanti.errors import ConfigurationError

__all__ = ["Atom", "Density"]


@dataclass(frozen=True)
class Density:
    """f dx, integrated on each cell by a rule of degree 4 or more, and on its pieces where f is steep there."""

    field: Field
    name: str
    factor: float = 1.0
    within: Region | None = None

    def load(self, mesh: Mesh) -> Floats:
        if mesh.dimension == 2 and self.within is not None and self.within.box is not None:
            return self._load_in_box(mesh, self.within)
        if self.within is None and isinstance(self.field, Constant):
            return self.factor * self._field(mesh.points[:1]) * dual_volumes(mesh)
        return gather(mesh.triangles.ravel(), self.moments(mesh.points[mesh.triangles]), mesh)

    def moments(self, simplices: Floats) -> Floats:
        """Return the integrals (T, n + 1) of the hat functions of simplices (T, n + 1, n), mesh cells or not."""
        return self.factor * hat_masses(self._field, simplices, self._holds())

    def oscillation(self, simplices: Floats) -> Floats:
        """Return by how much the density varies (T,) over each simplex (T, n + 1, n), seen at its corners and inside.

        Infinite where it is not finite.
        """
        dimension = simplices.shape[2]
        pieces = halved(np.eye(dimension + 1)[None])
        seen = np.vstack(
            [pieces.reshape(-1, dimension + 1), (rule(dimension)[0] @ pieces).reshape(-1, dimension + 1)]
        )
        at = (seen @ simplices).reshape(-1, dimension)
        with np.errstate(all="ignore"):
            values = np.broadcast_to(np.asarray(self.field(*at.T), dtype=np.float64), (len(at),))
        if self.within is not None:
            values = np.where(self.within.holds(at), values, 0.0)
        values = values.reshape(len(simplices), -1)
        finite = np.isfinite(values)
        known = np.where(finite, values, 0.0)
        range_T = np.where(finite.all(axis=1), known.max(axis=1) - known.min(axis=1), np.inf)
        return np.asarray(abs(self.factor) * range_T, dtype=np.float64)

    def _load_in_box(self, mesh: Mesh, within: Region) -> Floats:
        assert within.box is not None
        held = within.holds(mesh.points)[mesh.triangles].all(axis=1)
        whole, touched = np.flatnonzero(held), np.flatnonzero(~held)
        inner = gather(mesh.triangles[whole].ravel(), self.moments(mesh.points[mesh.triangles[whole]]), mesh)
        return inner + self._load_of_pieces(mesh, touched, within.box)

    def _field(self, at: Floats) -> Floats:
        return evaluate(self.field, at, self.name)

    def _holds(self) -> Holds | None:
        return None if self.within is None else self.within.holds

    def _load_of_pieces(self, mesh: Mesh, cells: Integers, box: tuple[tuple[float, float], ...]) -> Floats:
        """Integrate over what the box leaves of triangles (T,): polygons, cut into triangles again."""
        shares = np.broadcast_to(np.eye(3), (len(cells), 3, 3))
        for axis, (low, high) in enumerate(box):
            for bound, sign in ((low, 1), (high, -1)):
                x = np.einsum("pvc,pc->pv", shares, mesh.points[mesh.triangles[cells], axis])
                shares, kept = clip(shares, sign * (x - bound))
                cells = cells[kept]
        pieces, polygon = fan(shares)
        cells, (at_shares, weights) = cells[polygon], rule(2)
        shares_FQ3 = np.einsum("qv,fvc->fqc", at_shares, pieces)
        at = np.einsum("fqc,fcx->fqx", shares_FQ3, mesh.points[mesh.triangles[cells]])
        values = self._values(at.reshape(-1, 2)).reshape(
            at.shape[:2]
        )  # The box may be but the extent of a region.
        areas = mesh.areas[cells] * np.abs(np.linalg.det(pieces))
        local = np.einsum("f,fq,q,fqc->fc", areas, values, weights, shares_FQ3)
        return self.factor * gather(mesh.triangles[cells].ravel(), local, mesh)

    def _values(self, at: Floats) -> Floats:
        inside = np.ones(len(at), dtype=bool) if self.within is None else self.within.holds(at)
        values = np.zeros(len(at))
        values[inside] = evaluate(self.field, at[inside], self.name)
        return values

    def mass(self, region: Region) -> float:
        """Return the mass inside a box or a ball, by adaptive quadrature."""
        where = region if self.within is None else both(self.within, region)
        return self.factor * integral(where, lambda at: self._values(at) * where.holds(at))

    def restricted(self, region: Region) -> Density:
        within = region if self.within is None else both(self.within, region)
        return Density(self.field, self.name, self.factor, within)

    def scaled(self, factor: float) -> Density:
        return Density(self.field, self.name, self.factor * factor, self.within)

    def describe(self) -> str:
        times = "" if self.factor == 1 else f"{self.factor:g} x "
        return f"{times}density {self.name}" + (f" in {self.within.name}" if self.within else "")


@dataclass(frozen=True)
class Atom:
    """A mass at a point of an interval: a kink of a convex function. In higher dimension there is none."""

    at: float
    weight: float

    def load(self, mesh: Mesh) -> Floats:
        if mesh.dimension != 1:
            raise ConfigurationError(
                f"A point of the line was laid on a domain of dimension {mesh.dimension}.",
                cure="Give a curve.",
            )
        cell, shares = locate(mesh, np.array([[self.at]]))
        if cell[0] < 0:
            raise ConfigurationError(f"The point {self.at:g} misses the domain.", cure="Put it inside.")
        return gather(mesh.triangles[cell[0]], self.weight * shares, mesh)

    def mass(self, region: Region) -> float:
        return self.weight * float(region.holds(np.array([[self.at]]))[0])

    def restricted(self, region: Region) -> Atom:
        return Atom(self.at, self.mass(region))

    def scaled(self, factor: float) -> Atom:
        return Atom(self.at, self.weight * factor)

    def describe(self) -> str:
        return f"mass {self.weight:g} at {self.at:g}"
