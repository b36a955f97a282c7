"""Random problems: domains of many shapes, loads, boundary values steep or not; radial ones whose truth is known.

All are drawn from a number, so any one can be made again. A load is scaled to a share of its critical load: for radial
problems that is 1 / max m with m(r) = nu(B_r) / (2 pi r), exactly, because the radial field with flux m balances the
load and balls need it. For others it is computed, by duality, on the problem's domain, refined until it has more nodes
than the solver weighs on: on the problem's own mesh, which may have eighty, the critical load of a narrow bump comes
out eight per cent too high. Between 0.98 and 1.03 of it, where meshes may differ, none is drawn.

A radial problem that has rings is posed on the disc fitted to them, with as many nodes, as recipes pose theirs. Its
judge compares heights, and a film linear on each cell cannot follow a crease that runs inside one: that costs half an
order on any mesh, so heights would measure where the ring happens to lie between two lines of the mesh. The general
problems, of which the way they end is judged, keep their wires wherever they fall.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.curvature.critical import l_shape
from mezzofanti.curvature import Mesh, critical_load, density, exact, on_curve
from mezzofanti.curvature.fields import Field
from mezzofanti.curvature.fitting import fit_mesh
from mezzofanti.curvature.measures import Measure
from mezzofanti.curvature.mesh import Floats

__all__ = ["Problem", "general_problem", "radial_problem", "reference"]

SAFE, OVER = (0.1, 0.98), (1.03, 1.6)
REFERENCE_NODES = 2_500  # The solver weighs a problem of so few nodes on 600 to 2,400.
ALMOST = 1 - 1e-12  # Of a flux: 1 itself has no slope.
MOST_UNKNOWNS = 2_000
RINGS = 4  # A disc of 721 inner nodes.
SIDES = 96  # Of the polygon that stands for a ring, as of that disc.


@dataclass(frozen=True, eq=False)
class Problem:
    """share: of the critical load. height: the film under so many times the load, where it is known."""

    number: int
    kind: str
    mesh: Mesh
    load: Measure
    boundary: float | Field
    share: float
    height: Callable[[float], Field] | None = None


def radial_problem(number: int, over: bool) -> Problem:
    """Return a problem on the unit disc whose load is a constant, a power of r, annuli, a ring, or a sum of them."""
    draw = np.random.default_rng([1, number])
    share = float(draw.uniform(*(OVER if over else SAFE)))
    parts = [_radial_part(draw) for _ in range(int(draw.integers(1, 4)))]
    breaks = sorted(radius for part in parts for radius in part.breaks)
    # m is largest at r = 1, at a break, or between: a fine lattice that holds the breaks finds it.
    r = np.union1d(np.linspace(1e-3, 1, 20_001), breaks)
    heaviest = float(_flux(parts, r).max())
    factor = share / heaviest
    level = float(draw.uniform(-1, 1))

    def height(times: float) -> Field:
        fall = exact.radial(lambda r: np.minimum(times * factor * _flux(parts, r), ALMOST), 1.0, breaks)
        return lambda x, y: level + np.asarray(fall(x, y))

    load = Measure()
    for part in parts:
        load = load + factor * part.measure
    mesh = fit_mesh(Mesh.disc(refinement=RINGS), load)
    return Problem(number, "radial", mesh, load, level, share, None if over else height)


def general_problem(number: int, over: bool) -> Problem:
    """Return a problem on some plane domain."""
    draw = np.random.default_rng([2, number])
    share = float(draw.uniform(*(OVER if over else SAFE)))
    name = list(DOMAINS)[int(draw.integers(len(DOMAINS)))]
    mesh = DOMAINS[name](draw)
    load = _some_load(draw, mesh)
    critical = reference(mesh, load)
    kind, boundary = _some_boundary(draw, mesh)
    return Problem(number, f"{name}, {kind}", mesh, (share * critical) * load, boundary, share)


def reference(mesh: Mesh, load: Measure) -> float:
    """Return the critical load, on this mesh refined."""
    while len(mesh.points) < REFERENCE_NODES:
        mesh = mesh.refined()
    return critical_load(mesh, load).value


@dataclass(frozen=True, eq=False)
class _RadialPart:
    measure: Measure
    flux: Callable[[Floats], Floats]
    breaks: tuple[float, ...] = ()


def _flux(parts: list[_RadialPart], r: Floats) -> Floats:
    return np.asarray(np.sum([part.flux(r) for part in parts], axis=0), dtype=np.float64)


def _radial_part(draw: np.random.Generator) -> _RadialPart:
    kind = int(draw.integers(4))
    weight = float(draw.uniform(0.2, 1.0))
    if kind == 0:
        return _RadialPart(density(weight), lambda r: weight * r / 2)
    if kind == 1:
        power = int(draw.integers(1, 5))
        field = density(lambda x, y: weight * np.hypot(x, y) ** power, f"{weight:.3g} r^{power}")
        return _RadialPart(field, lambda r: weight * r ** (power + 1) / (power + 2))
    if kind == 2:
        low, high = np.sort(draw.uniform([0.1, 0.2], [0.9, 1.0]))
        within = density(weight).restricted(
            inside=lambda x, y: (np.hypot(x, y) >= low) & (np.hypot(x, y) <= high)
        )
        return _RadialPart(
            within,
            lambda r: weight * (np.clip(r, low, high) ** 2 - low**2) / (2 * r),
            (float(low), float(high)),
        )
    radius = float(draw.uniform(0.15, 0.9))
    ring = on_curve(exact.circle(radius, SIDES), weight, closed=True)
    return _RadialPart(ring, lambda r: np.where(r > radius, weight * radius / r, 0.0), (radius,))


def _rectangle(draw: np.random.Generator) -> Mesh:
    long = float(draw.uniform(0.3, 3.0))
    cells = (int(draw.integers(8, 40)), int(draw.integers(8, 40)))
    return Mesh.rectangle((0, long), (0, 1), cells=cells)


def _jittered(draw: np.random.Generator) -> Mesh:
    cells = int(draw.integers(8, 36))
    mesh = Mesh.rectangle((-1, 1), (-1, 1), cells=cells)
    points = mesh.points.copy()
    points[mesh.interior] += draw.uniform(-0.3, 0.3, (len(mesh.interior), 2)) / cells
    return Mesh(points, mesh.triangles)


def _ellipse(draw: np.random.Generator) -> Mesh:
    disc = Mesh.disc(refinement=int(draw.integers(3, 5)))
    return Mesh(disc.points * [1, draw.uniform(0.25, 1)], disc.triangles)


def _flower(draw: np.random.Generator) -> Mesh:
    disc = Mesh.disc(refinement=int(draw.integers(3, 5)))
    angle = np.arctan2(disc.points[:, 1], disc.points[:, 0])
    petals, depth = int(draw.integers(2, 6)), float(draw.uniform(0, 0.35))
    return Mesh(disc.points * (1 + depth * np.cos(petals * angle))[:, None], disc.triangles)


def _l_shape(draw: np.random.Generator) -> Mesh:
    return l_shape(2 * int(draw.integers(5, 22)))


def _with_hole(draw: np.random.Generator) -> Mesh:
    cells = 3 * int(draw.integers(4, 12))
    whole = Mesh.rectangle((-1, 1), (-1, 1), cells=cells)
    kept = whole.triangles[~(np.abs(whole.centroids) < 1 / 3).all(axis=1)]
    used, corners = np.unique(kept, return_inverse=True)
    return Mesh(whole.points[used], corners.reshape(kept.shape))


DOMAINS: dict[str, Callable[[np.random.Generator], Mesh]] = {
    "rectangle": _rectangle,
    "jittered square": _jittered,
    "ellipse": _ellipse,
    "flower": _flower,
    "l-shape": _l_shape,
    "square with a hole": _with_hole,
}


def _some_load(draw: np.random.Generator, mesh: Mesh) -> Measure:
    load = _some_part(draw, mesh)
    return load + _some_part(draw, mesh) if draw.random() < 0.3 else load


def _some_part(draw: np.random.Generator, mesh: Mesh) -> Measure:
    kind = int(draw.integers(4))
    weight = float(draw.uniform(0.2, 1.0))
    if kind == 0:
        return density(weight)
    middle = mesh.centroids[int(draw.integers(len(mesh.centroids)))]
    if kind == 1:
        slope, size = draw.standard_normal(2), mesh.diameter
        return density(
            lambda x, y: (
                weight * (1.5 + np.tanh((slope[0] * (x - middle[0]) + slope[1] * (y - middle[1])) / size))
            ),
            "slanting",
        )
    if kind == 2:
        width = float(draw.uniform(0.1, 0.5)) * mesh.diameter / 2
        return density(
            lambda x, y: weight * np.exp(-((x - middle[0]) ** 2 + (y - middle[1]) ** 2) / width**2), "bump"
        )
    other = mesh.centroids[int(draw.integers(len(mesh.centroids)))]
    if np.linalg.norm(other - middle) < 0.1 * mesh.diameter:
        return density(weight)
    return on_curve([middle, other], weight)


def _some_boundary(draw: np.random.Generator, mesh: Mesh) -> tuple[str, float | Field]:
    kind = int(draw.integers(4))
    size = mesh.diameter / 3
    phase, waves = float(draw.uniform(0, 2 * np.pi)), int(draw.integers(1, 4))
    if kind == 0:
        return "level", float(draw.uniform(-1, 1))
    if kind == 1:
        return "gentle", lambda x, y: 0.1 * size * np.sin(waves * x / size + phase) * np.cos(y / size)
    if kind == 2:
        return "steep", lambda x, y: 4 * size * np.sin(waves * np.arctan2(y, x - 0.1) + phase)
    turn = np.array([np.cos(phase), np.sin(phase)])
    middle = mesh.points.mean(axis=0)
    return (
        "a jump",
        lambda x, y: 2 * size * (turn[0] * (x - middle[0]) + turn[1] * (y - middle[1]) > 0.1 * size),
    )


def few_enough(problem: Problem) -> bool:
    """Say whether it has no more unknowns than allowed."""
    return len(problem.mesh.interior) <= MOST_UNKNOWNS
