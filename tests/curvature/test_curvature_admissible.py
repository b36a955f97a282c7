"""The critical load against Cheeger constants that are computed another way, and its two certificates."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.spatial import ConvexHull, HalfspaceIntersection

from mezzofanti.curvature import InadmissibleLoad, Mesh, critical_load, density, on_curve, solve_dirichlet
from mezzofanti.curvature.admission import admit
from mezzofanti.curvature.crouzeix import SideFunctions, side_load
from mezzofanti.curvature.fields import Field
from mezzofanti.curvature.norms import least_sum
from mezzofanti.curvature.polygons import inside_polygon
from mezzofanti.errors import ConfigurationError

SQUARE = 2 + np.sqrt(np.pi)


def cheeger_of_convex(support: np.ndarray, angles: np.ndarray) -> float:
    """1 / r where the inner parallel set at distance r has area pi r^2 (Kawohl, Lachand-Robert 2006)."""
    normals = np.column_stack([np.cos(angles), np.sin(angles)])

    def excess(r: float) -> float:
        planes = np.column_stack([normals, r - support])
        corners = HalfspaceIntersection(planes, np.zeros(2)).intersections
        return float(ConvexHull(corners).volume - np.pi * r**2)

    return 1 / brentq(excess, 1e-3, 0.99 * float(support.min()))


def l_shape(refinement: int) -> Mesh:
    """The square [0, 2]^2 without its upper right quarter."""
    points = [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1], [0, 2], [1, 2]]
    squares = [(0, 1, 4, 3), (1, 2, 5, 4), (3, 4, 7, 6)]
    return Mesh(points, [t for a, b, c, d in squares for t in ((a, b, c), (a, c, d))]).refined(refinement)


def test_the_reference_knows_the_square_and_the_disc() -> None:
    sides = np.arange(4) * np.pi / 2
    assert cheeger_of_convex(np.full(4, 0.5), sides) == pytest.approx(SQUARE, rel=1e-9)
    many = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    assert cheeger_of_convex(np.ones(2000), many) == pytest.approx(2, rel=1e-5)


def test_the_square_is_bracketed_and_its_worst_set_has_round_corners() -> None:
    found = critical_load(Mesh.rectangle(cells=32), density(1.0))
    assert found.lower < SQUARE < found.upper
    assert found.proven
    assert found.value == pytest.approx(SQUARE, rel=4e-3)
    assert found.upper == pytest.approx(SQUARE, rel=4e-3)
    region = found.worst_set
    assert region is not None
    (outline,) = region.outline
    following = np.roll(outline, -1, axis=0)
    assert np.linalg.norm(following - outline, axis=1).sum() == pytest.approx(region.perimeter)
    area = (
        abs(np.cross(np.pad(outline, [(0, 0), (0, 1)]), np.pad(following, [(0, 0), (0, 1)]))[:, 2].sum()) / 2
    )
    assert region.mass <= area == pytest.approx(region.mass, rel=2e-3)
    # Missing: four corners of (1 - pi/4) r^2 with r = 1 / lambda*.
    assert 1 - area == pytest.approx((4 - np.pi) / SQUARE**2, rel=0.3)


@pytest.mark.parametrize("radius", [1.0, 0.25])
def test_the_disc_is_its_own_worst_set(radius: float) -> None:
    found = critical_load(Mesh.disc(radius, (3.0, 1.0), refinement=3), density(1.0))
    assert found.value == pytest.approx(2 / radius, rel=5e-3)
    assert found.worst_set is not None
    assert len(found.worst_set.nodes) == len(found.mesh.points)


def test_an_ellipse_has_the_constant_of_its_inner_parallel_set() -> None:
    disc = Mesh.disc(refinement=4)
    mesh = Mesh(disc.points * [1.0, 0.4], disc.triangles)
    angles = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    support = np.hypot(np.cos(angles), 0.4 * np.sin(angles))
    assert critical_load(mesh, density(1.0)).value == pytest.approx(
        cheeger_of_convex(support, angles), rel=0.01
    )


def test_an_l_shape_has_the_constant_of_its_inner_parallel_set() -> None:
    # At distance r inside are [r, 2 - r]^2 less what is near the missing quarter: 3 - 8 r + (5 - pi/4) r^2 in all.
    # That is pi r^2 at lambda* = 1 / r (Leonardi, Neumayer, Saracco 2017: a domain without necks).
    radius = brentq(lambda r: 3 - 8 * r + (5 - np.pi / 4 - np.pi) * r**2, 0.1, 0.49)
    assert critical_load(l_shape(4), density(1.0)).value == pytest.approx(1 / radius, rel=0.01)


def test_a_circle_of_mass_carries_one_a_unit_of_length() -> None:
    mesh = Mesh.disc(refinement=4)
    ring = mesh.points[np.isclose(np.hypot(*mesh.points.T), 0.5)]
    ring = ring[np.argsort(np.arctan2(ring[:, 1], ring[:, 0]))]
    found = critical_load(mesh, on_curve(ring, 0.5, closed=True))
    assert found.proven
    assert found.interval[0] == pytest.approx(2, rel=1e-6)
    assert found.value == pytest.approx(2, rel=6e-3)
    # A polygon that follows the mesh only nearly: no proof, the same number.
    angles = np.linspace(0, 2 * np.pi, 384, endpoint=False)
    circle = 0.5 * np.column_stack([np.cos(angles), np.sin(angles)])
    nearly = critical_load(mesh, on_curve(circle, 0.5, closed=True))
    assert not nearly.proven
    assert nearly.value == pytest.approx(2, rel=0.01)


def test_a_straight_wire_carries_two_a_unit_of_length() -> None:
    found = critical_load(Mesh.disc(refinement=3), on_curve([(-0.5, 0.0), (0.5, 0.0)], 1.0))
    assert found.value == pytest.approx(2, rel=2e-3)
    assert found.upper == 2
    slanted = critical_load(Mesh.disc(refinement=3), on_curve([(-0.5, 0.1), (0.5, 0.2)], 1.0))
    assert slanted.value == pytest.approx(2, rel=0.03)


def test_a_mixed_load_is_carried_to_its_radial_limit() -> None:
    # Density 1, and 1/2 a unit of length on r = 1/2: outside the flux is m(r) = r/2 + 1/(4r), largest at both ends.
    mesh = Mesh.disc(refinement=4)
    ring = mesh.points[np.isclose(np.hypot(*mesh.points.T), 0.5)]
    ring = ring[np.argsort(np.arctan2(ring[:, 1], ring[:, 0]))]
    found = critical_load(mesh, density(1.0) + on_curve(ring, 0.5, closed=True))
    at_ring, at_rim = 0.5 / 2 + 1 / (4 * 0.5), 1 / 2 + 1 / 4
    assert found.value == pytest.approx(1 / max(at_ring, at_rim), rel=0.01)


def area_inside(outline: np.ndarray, field: Field, count: int = 900) -> float:
    """The integral over a polygon, by counting points."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    axes = [low[k] + (np.arange(count) + 0.5) / count * (high[k] - low[k]) for k in range(2)]
    at = np.stack([x.ravel() for x in np.meshgrid(*axes)], axis=1)
    held = inside_polygon(at, outline)
    return float(np.sum(np.asarray(field(*at[held].T))) * np.prod((high - low) / count))


def test_the_worst_set_of_a_narrow_bump_has_the_mass_of_its_polygon() -> None:
    def bump(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.exp(-((x - 0.43) ** 2 + (y - 0.52) ** 2) / 0.2**2)

    region = critical_load(l_shape(3), density(bump)).worst_set
    assert region is not None
    (outline,) = region.outline
    following = np.roll(outline, -1, axis=0)
    assert np.linalg.norm(following - outline, axis=1).sum() == pytest.approx(region.perimeter)
    assert region.mass == pytest.approx(area_inside(outline, bump), rel=1e-3)


def test_a_film_of_few_cells_is_weighed_on_more_until_a_region_proves_that_it_is_too_heavy() -> None:
    def bump(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 40 * np.exp(-((x - 0.43) ** 2 + (y - 0.52) ** 2) / 0.1**2)

    mesh = Mesh.rectangle(cells=4)
    limit = critical_load(mesh.refined(4), density(bump)).upper
    with pytest.raises(InadmissibleLoad) as caught:
        solve_dirichlet(mesh, 1.03 * limit * density(bump))
    assert caught.value.worst_set is not None
    assert caught.value.worst_set.ratio < 1
    assert solve_dirichlet(mesh, 0.96 * limit * density(bump)).outcome in ("attained", "detached")


@pytest.mark.parametrize("width", [0.1, 0.2, 0.5])
def test_the_lower_bound_of_a_bump_is_one_on_any_mesh(width: float) -> None:
    # Averaged over the cells of a coarse mesh, a bump looks lighter than it is.
    bump = density(lambda x, y: np.exp(-((x - 0.43) ** 2 + (y - 0.52) ** 2) / width**2))
    least = critical_load(Mesh.rectangle(cells=48), bump).upper
    bounds = [critical_load(Mesh.rectangle(cells=cells), bump) for cells in (4, 16)]
    assert all(bound.proven and not bound.even for bound in bounds)
    assert bounds[0].lower < bounds[1].lower <= least
    assert bounds[0].lower <= least
    if width == 0.1:
        assert bounds[0].value > least  # the averaged load's own bound would be none


def test_what_averaging_hides_is_of_second_order_in_the_cells_size() -> None:
    slack = [
        side_load(SideFunctions(Mesh.rectangle(cells=cells)), density(lambda x, y: 1 + x * y)).slack.max()
        for cells in (8, 16)
    ]
    assert 3.5 < slack[0] / slack[1] < 4.5


def test_nothing_is_proven_for_a_density_without_bound_or_a_wire_across_cells() -> None:
    mesh = Mesh.rectangle(cells=6)
    assert not critical_load(mesh, density(lambda x, y: 1 / np.hypot(x, y))).proven
    narrow = [
        (0.2 + 0.02 * k, 0.3 + 0.4 * (k % 2)) for k in range(6)
    ]  # No mesh of such cells can be fitted to it.
    assert not critical_load(mesh, on_curve(narrow, 0.3)).proven
    assert critical_load(mesh, on_curve([(0.5, 0.0), (0.5, 1.0)], 1.0)).proven


@pytest.mark.parametrize("number", [2, 3])
def test_bounds_meet_in_few_linear_systems(number: int) -> None:
    # Newton's own fluxes run past length 1 where many regions are nearly as bad: those kept inside do not.
    mesh = Mesh.rectangle((-1, 1), (-1, 1), cells=2 ** (number + 2))
    functions = SideFunctions(mesh)
    load = side_load(functions, density(lambda x, y: np.exp(-(x**2 + y**2) / 0.2**2)))
    *_, last = least_sum(functions.blocks(), load.vector, np.ones(functions.count), 1e-4)
    assert last.gap < 1e-4
    assert last.longest <= 1 + 1e-9


def test_lambda_scales_with_the_load_and_the_domain() -> None:
    mesh = Mesh.rectangle(cells=8)
    one = critical_load(mesh, density(1.0))
    assert critical_load(mesh, density(1e-9)).value == pytest.approx(1e9 * one.value, rel=1e-6)
    assert critical_load(Mesh(100 * mesh.points, mesh.triangles), density(1.0)).value == pytest.approx(
        one.value / 100, rel=1e-6
    )
    assert critical_load(mesh, density(0.0)).interval == (np.inf, np.inf)


def test_on_a_line_and_in_space_the_constants_are_those_of_the_interval_and_the_ball() -> None:
    assert critical_load(Mesh.interval(0, 3, cells=12), density(1.0)).value == pytest.approx(2 / 3, rel=1e-3)
    found = critical_load(Mesh.ball(refinement=2), density(1.0))
    assert found.lower <= found.value <= found.upper
    assert found.value == pytest.approx(found.mesh.perimeter / found.mesh.areas.sum(), rel=2e-3)


def test_the_dual_flux_balances_the_load_and_bounds_the_sum_of_norms() -> None:
    functions = SideFunctions(Mesh.rectangle(cells=6))
    load = side_load(functions, density(lambda x, y: 1 + x))
    blocks = functions.blocks()
    *_, last = least_sum(blocks, load.vector, np.ones(functions.count), 1e-4)
    balance = sum(block.adjoint(g, functions.count) for block, g in zip(blocks, last.fluxes, strict=True))
    assert balance == pytest.approx(last.multiplier * load.vector, rel=1e-5)
    assert last.multiplier / last.longest <= last.value
    # No other function does better: a slow check on many random ones.
    noise = np.random.default_rng(0)
    for _ in range(200):
        v = last.v * (1 + 0.1 * noise.standard_normal(functions.count))
        norms = sum(block.weights @ np.linalg.norm(block.of(v), axis=1) for block in blocks)
        assert norms / (load.vector @ v) >= last.multiplier / last.longest - 1e-9


@pytest.mark.parametrize("share", [0.97, 1.04])
def test_loads_are_refused_beyond_the_critical_one_only(share: float) -> None:
    mesh = Mesh.rectangle(cells=16)
    load = density(share * SQUARE)
    if share < 1:
        assert solve_dirichlet(mesh, load).admission.lower > 0.95
        return
    with pytest.raises(InadmissibleLoad, match=r"lambda\* = 0\.9\d+") as caught:
        solve_dirichlet(mesh, load)
    assert "\n" not in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.value == caught.value.value == pytest.approx(1 / share, rel=0.01)
    assert again.worst_set.perimeter < again.worst_set.mass


def test_most_loads_are_let_in_after_a_glance() -> None:
    admission = admit(Mesh.rectangle(cells=64), density(SQUARE / 2))
    assert admission.value is None
    assert admission.nodes <= 1500
    assert admission.lower > 1


def test_too_much_on_a_line_is_refused_with_the_line_as_worst_set() -> None:
    wire = [(-0.5, 0.0), (0.5, 0.0)]
    with pytest.raises(InadmissibleLoad) as caught:
        solve_dirichlet(Mesh.disc(refinement=3), on_curve(wire, lambda x, y: 2 + x, name="2 + x"))
    assert caught.value.value == pytest.approx(2 / 2.5)
    assert caught.value.worst_set is not None
    assert caught.value.worst_set.outline[0][:, 0].min() > 0.49


def test_a_measure_that_is_negative_somewhere_has_no_critical_load() -> None:
    with pytest.raises(ConfigurationError, match=r"negative near \(-"):
        critical_load(Mesh.disc(refinement=2), density(lambda x, y: x))
