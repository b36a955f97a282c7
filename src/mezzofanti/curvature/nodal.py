"""Measures that live on the nodes of a mesh, each mass spread over the node's dual cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mezzofanti.curvature.dual import dual_volumes, samples, share_inside
from mezzofanti.curvature.fields import gather
from mezzofanti.curvature.locate import locate
from mezzofanti.curvature.measures import Measure
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.regions import Inside, Intervals, Region, both, region

__all__ = ["NodalMeasure", "NodalPart"]

Source = Callable[[Mesh], Floats]  # the masses (N,) on another mesh


@dataclass(frozen=True, eq=False)
class NodalPart:
    """Masses (N,) as a summand of a load. On another mesh they are computed anew where `source` knows how.

    Otherwise the masses, spread over their dual cells, are carried over: a crease becomes a strip one cell wide.
    """

    mesh: Mesh
    masses: Floats
    source: Source | None = None
    factor: float = 1.0
    within: Region | None = None

    def load(self, mesh: Mesh) -> Floats:
        """Return the integrals (N,) of the hat functions of `mesh`."""
        if mesh is not self.mesh and self.source is None:
            return self.factor * self._carried(mesh)
        masses = self.masses if mesh is self.mesh or self.source is None else self.source(mesh)
        shares = 1.0 if self.within is None else share_inside(mesh, self.within)
        return np.asarray(self.factor * shares * masses, dtype=np.float64)

    def _carried(self, mesh: Mesh) -> Floats:
        shares, owned = samples(self.mesh.dimension)
        per_volume = self.masses / dual_volumes(self.mesh)
        local = np.einsum("t,tc,sc->ts", self.mesh.areas, per_volume[self.mesh.triangles], owned)
        at = np.einsum("sc,tcx->tsx", shares, self.mesh.points[self.mesh.triangles]).reshape(
            -1, mesh.dimension
        )
        masses = local.ravel() * (1.0 if self.within is None else self.within.holds(at))
        at, masses = at[masses != 0], masses[masses != 0]
        cell, inside = locate(mesh, at)
        found = cell >= 0
        return gather(mesh.triangles[cell[found]].ravel(), masses[found, None] * inside[found], mesh)

    def mass(self, region: Region) -> float:
        """Return the mass inside a region."""
        where = region if self.within is None else both(self.within, region)
        return float(self.factor * (share_inside(self.mesh, where) @ self.masses))

    def restricted(self, region: Region) -> NodalPart:
        """Return what lies in a region."""
        return replace(self, within=region if self.within is None else both(self.within, region))

    def scaled(self, factor: float) -> NodalPart:
        """Return this part times a number."""
        return replace(self, factor=self.factor * factor)

    def describe(self) -> str:
        """Say in a few words what this part is."""
        times = "" if self.factor == 1 else f"{self.factor:g} x "
        where = "" if self.within is None else f" in {self.within.name}"
        return f"{times}the measure of a function on {len(self.mesh.points)} nodes{where}"


class NodalMeasure(Measure):
    """A measure that lives on the nodes of a mesh: masses (N,), zero on the boundary, which is not in the domain.

    It may be a load, a summand, restricted, as any `Measure`.
    """

    def __init__(self, mesh: Mesh, masses: Floats, source: Source | None = None) -> None:
        super().__init__((NodalPart(mesh, masses, source),))
        self.mesh = mesh
        self.masses = masses

    def total(self, mesh: Mesh | None = None) -> float:
        """Return the mass of all interior nodes: the flux of g through the innermost ring of cells."""
        return float(self.masses.sum()) if mesh is None or mesh is self.mesh else super().total(mesh)

    def mass(
        self,
        *,
        box: Intervals | None = None,
        disc: tuple[Sequence[float] | float, float] | None = None,
        inside: Inside | None = None,
    ) -> float:
        """Return the mass of a region, each node's mass spread evenly over its dual cell.

        box: one interval a coordinate, ((x0, x1), (y0, y1)), exact in the plane. disc: a center and a radius. inside:
        a function of arrays x, y that says which points belong. Raises ConfigurationError unless one is given.
        """
        return float(share_inside(self.mesh, region(box, disc, inside)) @ self.masses)

    def in_box(self, lower: Sequence[float], upper: Sequence[float]) -> float:
        """Return the mass of the box between two opposite corners."""
        return self.mass(box=tuple(zip(lower, upper, strict=True)))

    def in_disc(self, center: Sequence[float], radius: float) -> float:
        """Return the mass of a disc."""
        return self.mass(disc=(center, radius))

    def per_volume(self) -> Floats:
        """Return the mean density (N,) over each node's dual cell."""
        return np.asarray(self.masses / dual_volumes(self.mesh), dtype=np.float64)

    @cached_property
    def density(self) -> NodalMeasure:
        """The part with a density: what `singular` leaves."""
        return self._parted[0]

    @cached_property
    def singular(self) -> NodalMeasure:
        """The part on curves (on points in one dimension, on surfaces in three), told at a scale of three cells.

        A point in the plane, such as a cone's tip, carries nothing and is never called singular; nor is a curve of
        a cell or two. A density that changes within three cells along a whole curve is called singular: compare
        a finer mesh, where its mass falls and that of a true crease stays. `separation.py` says how and when it errs.
        """
        return self._parted[1]

    @cached_property
    def _parted(self) -> tuple[NodalMeasure, NodalMeasure]:
        from mezzofanti.curvature.separation import singular_masses

        singular = singular_masses(self.mesh, self.masses)
        return NodalMeasure(self.mesh, self.masses - singular), NodalMeasure(self.mesh, singular)
