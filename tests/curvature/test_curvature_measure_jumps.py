"""Measures of functions that jump or are minus infinity somewhere, of samples, and their two parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from mezzofanti.curvature import Mesh, mean_curvature_measure
from mezzofanti.errors import ConfigurationError

SQUARE = Mesh.rectangle((-1, 1), (-1, 1), cells=64)
RING = 0.5


def ring(depth: float, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Minimal outside the circle of radius 1/2, which it leaves vertically; flat and `depth` lower inside."""
    radius = np.hypot(x, y)
    outside = RING * np.arccosh(np.maximum(radius, RING) / RING)
    return np.where(radius < RING, -depth, outside)


@pytest.mark.parametrize("depth", [0.0, 0.3, 1000.0, np.inf])
def test_a_free_jump_adds_no_mass(depth: float) -> None:
    measure = mean_curvature_measure(lambda x, y: ring(depth, x, y), SQUARE)
    assert measure.mass(disc=((0, 0), 0.8)) == pytest.approx(2 * np.pi * RING, abs=2e-4)
    assert measure.mass(disc=((0, 0), 0.4)) == pytest.approx(0, abs=1e-12)
    assert measure.mass(box=((0, 0.8), (0, 0.8))) == pytest.approx(np.pi * RING / 2, abs=5e-3)
    assert measure.singular.total() == pytest.approx(2 * np.pi * RING, rel=2e-3)


def test_a_logarithmic_pole_has_a_density_and_no_atom() -> None:
    errors = []
    for cells in (32, 64):
        mesh = Mesh.rectangle((-1, 1), (-1, 1), cells=cells)
        pole = mean_curvature_measure(lambda x, y: np.log(np.hypot(x, y)), mesh)
        assert pole.masses.max() < 8 / cells  # the heaviest node's mass tends to 0
        radius = np.array([0.2, 0.45, 0.7])
        exact = 2 * np.pi * radius / np.hypot(1, radius)
        errors.append(np.abs([pole.mass(disc=((0, 0), r)) for r in radius] - exact).max())
    assert errors[1] < 0.4 * errors[0] < 0.02


def test_the_floor_does_not_matter_once_it_is_deep() -> None:
    with np.errstate(divide="ignore"):
        by_floor = [
            mean_curvature_measure(lambda x, y: np.log(np.hypot(x, y)), SQUARE, floor=f).mass(
                disc=((0, 0), 0.5)
            )
            for f in (-10.0, -1e6)
        ]
    assert by_floor[0] == pytest.approx(by_floor[1], abs=1e-3)
    cut = mean_curvature_measure(lambda x, y: np.abs(x), SQUARE, floor=0.25)  # two creases at |x| = 1/4
    assert cut.mass(box=((-0.5, 0.5), (-0.5, 0.5))) == pytest.approx(np.sqrt(2))
    assert cut.mass(box=((-0.2, 0.2), (-0.5, 0.5))) == pytest.approx(0)


def test_samples_on_a_grid_are_measured() -> None:
    x, y = np.linspace(-1, 1, 41) ** 3, np.linspace(-1, 1, 30)
    samples = np.abs(x)[:, None] + 0 * y
    assert mean_curvature_measure(samples, axes=(x, y)).mass(box=((-0.5, 0.5), (-0.5, 0.5))) == pytest.approx(
        np.sqrt(2)
    )
    line = mean_curvature_measure(np.abs(x), axes=(x,))
    assert line.mass(box=((-0.5, 0.5),)) == pytest.approx(np.sqrt(2))
    with pytest.raises(ConfigurationError, match="axes of 30 x 41 values"):
        mean_curvature_measure(samples, axes=(y, x))
    with pytest.raises(ConfigurationError, match="a function and a mesh"):
        mean_curvature_measure(samples)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_below_infinity_is_refused_with_its_place(bad: float) -> None:
    values = np.zeros(len(SQUARE.points))
    values[100] = bad
    x, y = SQUARE.points[100] + 0.0
    with pytest.raises(ConfigurationError, match=rf"u is {bad} at \({x:g}, {y:g}\)"):
        mean_curvature_measure(values, SQUARE)


def creased(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.abs(x - 0.3 * y + 0.05) + 0.25 * (x**2 + y**2)


def crease_weight(y: float) -> float:
    """Jump of the normal flux across the crease of `creased`, times the length of its line for a unit of y."""
    at, normal = np.array([0.3 * y - 0.05, y]) / 2, np.array([1, -0.3]) / np.hypot(1, 0.3)
    sides = [sign * (g := at + sign * np.array([1, -0.3])) @ normal / np.sqrt(1 + g @ g) for sign in (1, -1)]
    return float(sum(sides) * np.hypot(1, 0.3))


def test_a_crease_is_told_from_a_density_and_better_so_on_finer_meshes() -> None:
    box = ((-0.7, 0.7), (-0.7, 0.7))
    exact = quad(crease_weight, -0.7, 0.7)[0]
    errors = []
    for cells in (32, 64):
        measure = mean_curvature_measure(creased, Mesh.rectangle((-1, 1), (-1, 1), cells=cells))
        errors.append(abs(measure.singular.mass(box=box) - exact))
        assert measure.density.masses + measure.singular.masses == pytest.approx(measure.masses)
    assert errors[1] < 0.6 * errors[0] < 0.03
    assert 0.3 < measure.density.mass(box=box) < 1.0


def test_smooth_surfaces_have_no_singular_part_and_kinks_no_other() -> None:
    smooth = mean_curvature_measure(lambda x, y: 0.5 * (x**2 + y**2), SQUARE)
    assert (smooth.singular.masses == 0).all()
    kink = mean_curvature_measure(lambda x, y: abs(x), SQUARE)
    assert kink.density.masses == pytest.approx(0, abs=1e-12)
    line = mean_curvature_measure(lambda x: np.abs(x - 0.21) + 0.3 * x**2, Mesh.interval(-1, 1, cells=256))
    assert line.singular.total() == pytest.approx(1.414, abs=0.02)


CORNERS = Mesh.polygon([(-1, -1), (1, -1), (1, 1), (-1, 1)], 0.06)


@pytest.mark.parametrize(
    "mesh", [SQUARE, Mesh.disc(refinement=5), CORNERS], ids=["square", "disc", "polygon"]
)
@pytest.mark.parametrize("slope", [0.2, 1.0, 50.0])
@pytest.mark.parametrize("tip", [(0.0, 0.0), (0.213, -0.121)])
def test_the_tip_of_a_cone_is_a_point_and_carries_nothing(
    mesh: Mesh, slope: float, tip: tuple[float, float]
) -> None:
    cone = mean_curvature_measure(lambda x, y: slope * np.hypot(x - tip[0], y - tip[1]), mesh)
    assert cone.total() > 1  # there is something that could be misnamed
    assert (cone.singular.masses == 0).all()
    assert np.array_equal(cone.density.masses, cone.masses)


def test_a_tip_beside_a_crease_takes_nothing_from_it() -> None:
    # A cone and a plane that it meets along a hyperbola.
    singular = mean_curvature_measure(
        lambda x, y: np.maximum(np.hypot(x + 0.5, y), 2 * x + 0.2), SQUARE
    ).singular
    assert singular.mass(disc=((-0.5, 0), 0.3)) == 0
    jump = 2 / np.sqrt(5) - 1 / np.sqrt(2)  # of the flux where the crease crosses the axis
    assert singular.mass(box=((0, 0.6), (-0.2, 0.2))) == pytest.approx(0.4 * jump, rel=0.1)


def test_in_space_a_surface_is_singular_and_neither_an_edge_nor_a_tip_is() -> None:
    ball = Mesh.ball(refinement=3)
    crease = mean_curvature_measure(lambda x, y, z: np.abs(x), ball)
    assert crease.singular.total() == pytest.approx(crease.total())
    for heights in (lambda x, y, z: np.hypot(x, y), lambda x, y, z: np.sqrt(x * x + y * y + z * z)):
        assert (mean_curvature_measure(heights, ball).singular.masses == 0).all()


def test_a_rounded_crease_is_called_singular_until_ten_cells_fit_into_its_radius() -> None:
    def share(cells: int) -> float:
        rounded = mean_curvature_measure(
            lambda x, y: np.hypot(x, 0.2), Mesh.rectangle((-1, 1), (-1, 1), cells=cells)
        )
        return rounded.singular.total() / rounded.total()

    assert share(32) > 0.5 > share(64) > share(128) == 0


def test_a_density_with_a_pole_along_a_curve_loses_its_singular_mass_like_the_root_of_the_cell() -> None:
    masses = [
        mean_curvature_measure(
            lambda x, y: np.abs(x) ** 1.5, Mesh.rectangle((-1, 1), (-1, 1), cells=cells)
        ).singular.total()
        for cells in (32, 64, 128)
    ]
    assert np.log2(masses[:-1] / np.array(masses[1:])) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize(("cells", "told"), [(1, False), (4, True)])
def test_a_short_crease_is_told_once_it_is_some_cells_long(cells: int, told: bool) -> None:
    half = cells / 64  # SQUARE has cells of 1/32
    ridge = mean_curvature_measure(lambda x, y: np.hypot(np.maximum(np.abs(x) - half, 0), y), SQUARE)
    assert (ridge.singular.total() > 0) == told


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 1e6), st.sampled_from([1, 2, 3]))
def test_mass_is_at_most_perimeter_in_every_dimension(seed: int, height: float, dimension: int) -> None:
    # A box is the union of dual cells up to a cell: compare with the variation of the sum of hats inside it.
    mesh = {1: Mesh.interval(-1, 1, 9), 2: Mesh.disc(refinement=3), 3: Mesh.ball(refinement=2)}[dimension]
    random = np.random.default_rng(seed)
    measure = mean_curvature_measure(height * random.standard_normal(len(mesh.points)), mesh)
    chosen = np.zeros(len(mesh.points))
    chosen[mesh.interior] = random.integers(0, 2, len(mesh.interior))
    slopes = np.einsum("tcx,tc->tx", mesh.hat_gradients, chosen[mesh.triangles])
    assert abs(chosen @ measure.masses) <= mesh.areas @ np.linalg.norm(slopes, axis=1) + 1e-12


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 10), st.floats(-3, 3), st.floats(-3, 3))
def test_scaling_and_translation(size: float, right: float, up: float) -> None:
    # u(x / s - shift) * s has the same flux, so masses of scaled boxes grow with the lengths of their sides.
    x, y = (size * (right - 1), size * (right + 1)), (size * (up - 1), size * (up + 1))
    moved = Mesh.rectangle(x, y, cells=16)
    there = mean_curvature_measure(lambda x, y: size * creased(x / size - right, y / size - up), moved)
    here = mean_curvature_measure(creased, Mesh.rectangle((-1, 1), (-1, 1), cells=16))
    assert there.masses == pytest.approx(size * here.masses, abs=1e-9 * size)
