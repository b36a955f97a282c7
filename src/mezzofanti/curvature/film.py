"""A solved film: heights, flux, measure, and how it ended at the boundary."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from mezzofanti.curvature.admission import Admission
from mezzofanti.curvature.curvature import NodalMeasure, mean_curvature_measure
from mezzofanti.curvature.measures import Measure
from mezzofanti.curvature.mesh import Floats, Integers, Mesh
from mezzofanti.curvature.newton import Step
from mezzofanti.curvature.operator import AreaOperator

__all__ = ["Detachment", "Film", "Outcome"]

Outcome = Literal["attained", "detached", "undecided"]


@dataclass(frozen=True, eq=False)
class Detachment:
    """The part of the boundary where a film leaves its boundary values.

    nodes (K,): boundary nodes of the mesh. jumps (K,): height of the film there less its boundary value, less what one
    cell cannot resolve; all of it where that is no more than a cell hides and only finer meshes showed that it stays.
    The film is the relaxed problem's: next to this part it may be off its values by as much.
    faces (B, n): boundary faces all of whose corners are among the nodes. size: their length or area, with half of the
    faces next to them.
    """

    nodes: Integers
    jumps: Floats
    faces: Integers
    size: float

    @classmethod
    def none(cls, mesh: Mesh) -> Detachment:
        """Nothing is detached."""
        return cls(mesh.boundary[:0], np.zeros(0), mesh.boundary_faces[:0], 0.0)

    @property
    def largest(self) -> float:
        """Largest |jump|; 0 where nothing is detached."""
        return float(np.abs(self.jumps).max(initial=0.0))


@dataclass(frozen=True, eq=False)
class Film:
    """A solution: heights u (N,) at the nodes, what was asked (prescribed (N,)), and how it was found.

    outcome: "attained" where the film keeps its boundary values also when it is free to leave them at the price of the
    jump (the relaxed problem), on this mesh or, in the limit, on finer ones (`trace.py`); "detached" where it leaves
    them, u being the relaxed problem's film and `detached` the part of the boundary; "undecided" where a held film
    pulls so hard that it might leave, and was not let go or the mesh is too large for a look at finer ones.
    """

    mesh: Mesh
    u: Floats
    load: Measure
    prescribed: Floats
    history: tuple[Step, ...]
    outcome: Outcome
    detached: Detachment
    admission: Admission | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def values(self) -> Floats:
        """Heights (N,) at the nodes."""
        return self.u

    @cached_property
    def flux(self) -> Floats:
        """g = Du / sqrt(1 + |Du|^2) on each cell (T, n)."""
        return AreaOperator(self.mesh).flux(self.u)

    @cached_property
    def steepness(self) -> Floats:
        """|g| (T,), the sine of the angle to the plane: 0 is level, 1 would be a vertical wall."""
        return np.asarray(np.sqrt((self.flux**2).sum(axis=1)), dtype=np.float64)

    @cached_property
    def measure(self) -> NodalMeasure:
        """The mean curvature measure read back from u; at interior nodes it is the load."""
        return mean_curvature_measure(self.u, self.mesh)

    @cached_property
    def mismatch(self) -> float:
        """Sum over interior nodes of |measured - prescribed mass|."""
        inside = self.mesh.interior
        return float(np.abs(self.measure.masses[inside] - self.prescribed[inside]).sum())

    @cached_property
    def area(self) -> float:
        """Area of the film, without the walls where it is detached."""
        return AreaOperator(self.mesh).area(self.u)
