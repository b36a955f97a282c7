"""The paper's statements as measurements: weak continuity, Harnack's growth, the extremal ring, the vanishing atom.

Each returns plain numbers, which `examples/curvature_*.py` draw and `tests/curvature` hold to their exact values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mezzofanti.curvature.curvature import mean_curvature_measure
from mezzofanti.curvature.fields import Field
from mezzofanti.curvature.flat import flat_distance
from mezzofanti.curvature.harnack import harnack_quotient
from mezzofanti.curvature.measures import Measure, density, on_curve
from mezzofanti.curvature.mesh import Floats, Mesh
from mezzofanti.curvature.nodal import NodalMeasure
from mezzofanti.curvature.regions import Intervals
from mezzofanti.curvature.solve import solve_dirichlet
from mezzofanti.errors import SolverError

__all__ = [
    "Convergence",
    "Growth",
    "ScaleOfAtom",
    "atom_on_meshes",
    "extremal_ring",
    "falling",
    "harnack_growth",
    "oscillating",
    "oscillating_limit",
    "ring_measure",
    "smoothed_kink",
    "tending_to_a_jump",
    "weak_convergence",
]

RING = 0.5


@dataclass(frozen=True)
class Convergence:
    """Flat distances (K,) between the measures of u_k and that of the limit, and their rate: error ~ k^-rate."""

    steps: tuple[int, ...]
    errors: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Slope of log error against log k, by least squares."""
        return float(-np.polyfit(np.log(self.steps), np.log(self.errors), 1)[0])


def weak_convergence(
    sequence: Callable[[int], Field],
    limit: Measure | Field,
    mesh: Mesh,
    *,
    steps: Sequence[int],
    box: Intervals,
    boxes: int | Sequence[int] = 24,
) -> Convergence:
    """Measure u_k = sequence(k) on the mesh and compare with the limit: a measure, or the function u_k tends to.

    The mesh must resolve u_k, and a box's side should be below the scale on which u_k and its limit differ.
    """
    known = limit if isinstance(limit, Measure) else mean_curvature_measure(limit, mesh)
    nodal = known if isinstance(known, NodalMeasure) else NodalMeasure(mesh, known.load(mesh))
    errors = [
        flat_distance(mean_curvature_measure(sequence(k), mesh), nodal, box=box, boxes=boxes) for k in steps
    ]
    return Convergence(tuple(steps), tuple(errors))


def smoothed_kink(k: int) -> Field:
    """Return sqrt(x^2 + 1/k^2), which tends to |x|: a density that gathers on a line."""
    return lambda x, y: np.sqrt(x**2 + k**-2.0)


def oscillating(k: int) -> Field:
    """Return the function that is x^2 / 2 at multiples of 1/k and linear between: creases that tend to a density.

    Its slope jumps by 1/k on each line x = j/k, so its second derivative has no pointwise limit.
    """

    def u(x: Floats, y: Floats) -> Floats:
        cell = np.floor(k * x)
        return np.asarray((x * (2 * cell + 1) / k - cell * (cell + 1) / k**2) / 2, dtype=np.float64)

    return u


def oscillating_limit() -> Measure:
    """Return the measure of x^2 / 2: density (1 + x^2)^(-3/2)."""
    return density(lambda x, y: (1 + x**2) ** -1.5, "(1 + x^2)^(-3/2)")


def tending_to_a_jump(k: int, depth: float = 1.0) -> Field:
    """Return the extremal ring whose jump of `depth` is spread over a wall of width 1/k inside the ring."""

    def u(x: Floats, y: Floats) -> Floats:
        r = np.hypot(x, y)
        wall = np.clip((r - RING) * k, -1, 0) * depth
        return np.asarray(wall + RING * np.arccosh(np.maximum(r, RING) / RING), dtype=np.float64)

    return u


def extremal_ring(depth: float) -> Field:
    """Return the minimal graph that leaves the circle of radius 1/2 vertically, with a jump of `depth` inside it.

    Whatever the depth, its measure is length on the circle: mass equal to perimeter, so the jump is free.
    """

    def u(x: Floats, y: Floats) -> Floats:
        r = np.hypot(x, y)
        outside = RING * np.arccosh(np.maximum(r, RING) / RING)
        return np.asarray(np.where(r < RING, -depth, outside), dtype=np.float64)

    return u


def ring_measure(sides: int = 384) -> Measure:
    """Return length on the circle of radius 1/2, as a polygon of `sides`."""
    angle = 2 * np.pi * np.arange(sides) / sides
    return on_curve(RING * np.column_stack([np.cos(angle), np.sin(angle)]), 1.0, closed=True)


@dataclass(frozen=True)
class Growth:
    """One row of the Harnack table: boundary values K on the arc x > 1/4 of the unit circle and 0 elsewhere."""

    height: float
    middle: float  # u(0)
    on_half: float  # sup / inf on the disc of radius 1/2
    on_eighth: float  # and of radius 1/8


def harnack_growth(heights: Sequence[float], refinement: int = 5) -> list[Growth]:
    """Return sup / inf of minimal graphs over the unit disc with boundary values K on the arc x > 1/4, else 0.

    As K grows u(0) stays bounded while the quotient on the half disc grows without bound: Harnack's inequality with
    a constant of the dimension alone fails there. On the disc of radius 1/8 it holds.
    """
    rows = []
    mesh = Mesh.disc(refinement=refinement)
    for height in heights:
        film = solve_dirichlet(
            mesh, boundary=lambda x, y, k=height: k * (x > 0.25), relaxed=False, check=False
        )
        quotients = [harnack_quotient(film.u, (0.0, 0.0), r, mesh=mesh) for r in (0.5, 0.125)]
        rows.append(Growth(height, float(film.u[0]), *quotients))
    return rows


@dataclass(frozen=True)
class ScaleOfAtom:
    """What one node of a mesh can carry, and how deep the film hangs under a given mass there (inf: it falls)."""

    spacing: float
    most: float
    depth: float


def atom_on_meshes(mass: float, refinements: Sequence[int]) -> list[ScaleOfAtom]:
    """Put a mass on the middle node of ever finer discs: what it can carry halves with the spacing.

    So no mass, however small, is carried in the limit.

    `most` is the variation of the node's hat function, by nu(E) <= perimeter(E).
    """
    rows = []
    for refinement in refinements:
        mesh = Mesh.disc(refinement=refinement)
        hat = (np.linalg.norm(mesh.points, axis=1) < 1e-12).astype(np.float64)
        slopes = np.einsum("tcx,tc->tx", mesh.hat_gradients, hat[mesh.triangles])
        most = float(mesh.areas @ np.linalg.norm(slopes, axis=1))
        rows.append(ScaleOfAtom(2.0**-refinement, most, _depth(mesh, NodalMeasure(mesh, mass * hat))))
    return rows


def falling(mesh: Mesh, load: Measure, shares: Sequence[float]) -> list[float]:
    """Return how deep the film over `mesh` hangs under share x load; inf where the solver finds none."""
    return [_depth(mesh, share * load) for share in shares]


def _depth(mesh: Mesh, load: Measure) -> float:
    try:
        film = solve_dirichlet(mesh, load, boundary=0.0, relaxed=False, check=False)
    except SolverError:
        return float("inf")
    return float(-film.u.min())
