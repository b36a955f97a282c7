"""What a measure may be made of: restricted parts, surfaces in space, points on a line, measures of functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mezzofanti.curvature import (
    InadmissibleLoad,
    Mesh,
    density,
    mean_curvature_measure,
    on_curve,
    solve_dirichlet,
)
from mezzofanti.curvature.clipping import clip, fan
from mezzofanti.curvature.fields import rule
from mezzofanti.curvature.locate import interpolate, locate
from mezzofanti.curvature.measures import on_surface, point_mass
from mezzofanti.curvature.mesh import signed_volumes
from mezzofanti.errors import ConfigurationError

SQUARE = Mesh.rectangle((-1, 1), (-1, 1), cells=16)
SPACE = Mesh.box((-1, 1), (-1, 1), (-1, 1), cells=4)
BOX = ((-0.53, 0.41), (-0.33, 0.7))
HALF = ((-0.5, 0.5),) * 3


def bumpy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 1 + x * y + np.exp(x)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_rules_are_exact_to_their_degree(dimension: int) -> None:
    # Moments of a simplex in barycentric shares: n! a! / (n + a)!, and for products likewise.
    shares, weights = rule(dimension)
    assert weights.sum() == pytest.approx(1)
    fourth = 24 / np.prod([dimension + k for k in range(1, 5)])
    assert weights @ shares[:, 0] ** 4 == pytest.approx(fourth, abs=1e-13)
    assert weights @ (shares[:, 0] * shares[:, 1] ** 3) == pytest.approx(fourth / 4, abs=1e-13)


@pytest.mark.parametrize("low", [0.3, 0.5547])
@pytest.mark.parametrize("width", [0.012, 0.1])
def test_an_annulus_thinner_than_a_cell_keeps_its_mass(low: float, width: float) -> None:
    mesh = Mesh.disc(refinement=4)  # cells of 1/16
    high = low + width
    thin = density(40.0).restricted(inside=lambda x, y: (np.hypot(x, y) >= low) & (np.hypot(x, y) <= high))
    assert thin.total(mesh) == pytest.approx(40 * np.pi * (high**2 - low**2), rel=5e-3)


@pytest.mark.parametrize("width", [0.01, 0.03, 0.3])
def test_a_bump_narrower_than_a_cell_keeps_its_mass(width: float) -> None:
    bump = density(lambda x, y: np.exp(-((x - 0.11) ** 2 + (y + 0.07) ** 2) / width**2))
    fine = density(lambda x, y: np.exp(-((x - 0.11) ** 2 + (y + 0.07) ** 2) / width**2))
    assert bump.total(SQUARE) == pytest.approx(np.pi * width**2, rel=2e-5 if width < 0.1 else 1e-3)
    assert bump.total(SQUARE) == pytest.approx(fine.total(SQUARE.refined(2)), rel=1e-5)


def test_a_number_as_density_is_loaded_as_the_function_that_has_it() -> None:
    for mesh in (SQUARE, SPACE, Mesh.interval(cells=5)):
        field = density(lambda *at: np.full(len(at[0]), 0.7))
        assert density(0.7).load(mesh) == pytest.approx(field.load(mesh), rel=1e-12)


def test_a_restricted_density_is_exact_on_a_box_that_cuts_cells() -> None:
    whole, part = density(bumpy), density(bumpy).restricted(box=BOX)
    assert part.total(SQUARE) == pytest.approx(whole.mass(box=BOX), abs=1e-8)
    assert part.mass(box=((-1, 1), (-1, 1))) == pytest.approx(whole.mass(box=BOX), abs=1e-8)
    disc = whole.restricted(disc=((0.1, 0.2), 0.55))
    assert disc.total(SQUARE) == pytest.approx(whole.mass(disc=((0.1, 0.2), 0.55)), rel=2e-3)
    assert "the ball" in disc.describe()


def test_a_density_with_a_pole_at_the_center_of_its_box_has_a_mass() -> None:
    cone = density(lambda x, y: 1 / np.hypot(x, y), "1/r")
    assert cone.mass(box=((-1, 1), (-1, 1))) == pytest.approx(8 * np.log(1 + np.sqrt(2)), rel=1e-6)
    assert cone.mass(disc=((0, 0), 0.5)) == pytest.approx(np.pi, rel=1e-8)
    with pytest.raises(ConfigurationError, match="extent"):
        cone.mass(inside=lambda x, y: x > 0)


@pytest.mark.parametrize(
    "region", [{"box": BOX}, {"disc": ((0.1, 0.0), 0.5)}, {"inside": lambda x, y: x + y > 0.1}]
)
def test_a_restricted_curve_is_broken_where_it_enters_and_leaves(region: dict[str, object]) -> None:
    wire = on_curve([(-0.9, -0.8), (0.1, 0.3), (0.8, -0.4)], lambda x, y: 1 + x * x)
    rest = wire.total(SQUARE) - wire.restricted(**region).total(SQUARE)  # type: ignore[arg-type]
    assert wire.restricted(**region).total(SQUARE) == pytest.approx(wire.mass(**region), abs=1e-9)  # type: ignore[arg-type]
    assert 0.1 < rest < wire.total(SQUARE) - 0.1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-90, 90)] * 3), min_size=3, max_size=3, unique=True))
def test_surface_loads_keep_mass_and_first_moments(corners: list[tuple[int, int, int]]) -> None:
    points = np.array(corners) / 100
    area = np.linalg.norm(np.cross(points[1] - points[0], points[2] - points[0])) / 2
    if area < 1e-3:
        return
    load = on_surface(points, [(0, 1, 2)], 1.5).load(SPACE)
    assert load.sum() == pytest.approx(1.5 * area, rel=1e-7)
    assert load @ SPACE.points == pytest.approx(1.5 * area * points.mean(axis=0), abs=1e-7)


def test_a_surface_along_mesh_faces_is_counted_once() -> None:
    wall = on_surface([(0, -1, -1), (0, 1, -1), (0, 1, 1), (0, -1, 1)], [(0, 1, 2), (0, 2, 3)], 1.2)
    assert wall.total(SPACE) == pytest.approx(4.8, abs=1e-8)
    assert wall.mass(box=HALF) == pytest.approx(1.2, abs=1e-12)
    assert wall.restricted(box=HALF).total(SPACE) == pytest.approx(1.2, abs=1e-8)
    assert wall.mass(disc=((0, 0, 0), 0.5)) == pytest.approx(0.3 * np.pi, rel=2e-2)
    side = on_surface(
        [(1, -1, -1), (1, 1, -1), (1, 1, 1)], [(0, 1, 2)], 1.0
    )  # on the boundary: one cell a face
    assert side.total(SPACE) == pytest.approx(2.0, abs=1e-8)


def test_a_surface_carries_at_most_two_a_unit_of_area() -> None:
    corners = [(0, -0.5, -0.5), (0, 0.5, -0.5), (0, 0.5, 0.5), (0, -0.5, 0.5)]
    wall = on_surface(corners, [(0, 1, 2), (0, 2, 3)], 1.0)
    film = solve_dirichlet(SPACE, wall)
    assert film.measure.total() == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(InadmissibleLoad, match="twice its area") as caught:
        solve_dirichlet(SPACE, 2.5 * wall)
    assert caught.value.value == pytest.approx(0.8)


def test_points_carry_mass_on_the_line_and_nowhere_else() -> None:
    line = Mesh.interval(-1, 1, cells=10)
    kink = point_mass(0.0, 2 / np.sqrt(2))
    film = solve_dirichlet(line, boundary=lambda x: abs(x), measure=kink)
    assert film.u == pytest.approx(np.abs(line.points[:, 0]), abs=1e-10)
    assert film.measure.mass(box=((-0.5, 0.5),)) == pytest.approx(np.sqrt(2))
    assert kink.restricted(box=((0.1, 1),)).total(line) == 0
    with pytest.raises(ConfigurationError, match="more than a graph over the line can bend"):
        point_mass(0.0, 2.1)
    with pytest.raises(ConfigurationError, match="shrinks to 0"):
        point_mass((0.0, 0.0, 0.0), 0.1)
    with pytest.raises(ConfigurationError, match="tube"):
        on_curve([(0, 0, 0), (1, 0, 0)], 1.0)


@pytest.mark.parametrize(
    ("measure", "mesh"),
    [
        (on_curve([(0, 0), (0.5, 0)], 1.0), SPACE),
        (point_mass(0.0, 1.0), SQUARE),
        (on_surface([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [(0, 1, 2)], 1.0), SQUARE),
    ],
)
def test_a_part_of_another_dimension_is_refused(measure: object, mesh: Mesh) -> None:
    with pytest.raises(ConfigurationError, match="domain of dimension"):
        measure.load(mesh)  # type: ignore[attr-defined]


def test_the_measure_of_a_function_is_a_load_on_any_mesh() -> None:
    def u(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.abs(x - 0.3 * y + 0.05) + 0.25 * (x**2 + y**2)

    own = mean_curvature_measure(u, SQUARE)
    for mesh in (SQUARE, SQUARE.refined(), Mesh.rectangle((-1, 1), (-1, 1), cells=(12, 20))):
        assert solve_dirichlet(mesh, boundary=u, measure=own).u == pytest.approx(u(*mesh.points.T), abs=1e-8)
    values = mean_curvature_measure(u(*SQUARE.points.T), SQUARE)  # No source: masses are carried over.
    disc = Mesh.disc(refinement=4)
    assert values.load(disc).sum() == pytest.approx(values.mass(disc=((0, 0), 1)), rel=1e-2)
    moved = values.restricted(disc=((0, 0), 0.5))
    assert moved.load(disc).sum() == pytest.approx(values.mass(disc=((0, 0), 0.5)), rel=2e-2)
    assert (2 * values + density(0.5)).load(SQUARE) == pytest.approx(
        2 * values.masses + density(0.5).load(SQUARE)
    )


def test_points_are_found_in_their_cells() -> None:
    random = np.random.default_rng(3)
    for mesh in (Mesh.interval(-1, 1, cells=7), Mesh.disc(refinement=3), SPACE):
        at = random.uniform(-0.5, 0.5, (200, mesh.dimension))
        plane = mesh.points @ np.arange(1.0, mesh.dimension + 1)
        assert interpolate(mesh, plane, at) == pytest.approx(
            at @ np.arange(1.0, mesh.dimension + 1), abs=1e-12
        )
        assert locate(mesh, np.full((1, mesh.dimension), 9.0))[0][0] == -1


def test_clipping_keeps_what_is_above_the_level() -> None:
    triangle = np.array([[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]])
    pieces, owner = clip(triangle, triangle[..., 0] - 0.5)
    cut = fan(pieces)[0]
    assert np.abs(signed_volumes(cut)).sum() == pytest.approx(1 / 8)
    assert owner.tolist() == [0]
    assert len(clip(triangle, triangle[..., 0] - 2)[0]) == 0
