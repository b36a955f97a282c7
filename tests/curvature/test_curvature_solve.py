"""What holds for every film: masses, comparison, scaling, and where films end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mezzofanti.curvature import (
    InadmissibleLoad,
    Mesh,
    critical_load,
    density,
    exact,
    mean_curvature_measure,
    on_curve,
    solve_dirichlet,
)
from mezzofanti.curvature import linear as linear_module
from mezzofanti.curvature.operator import AreaOperator
from mezzofanti.errors import ConfigurationError, MezzofantiError, SolverError

WIRE = on_curve([(-0.5, -0.1), (0.1, 0.2), (0.45, -0.3)], 1.0)


def wavy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.2 * np.cos(3 * np.arctan2(y, x))


@pytest.mark.parametrize("mesh", [Mesh.disc(refinement=4), Mesh.rectangle((-1, -1), (1, 1), 24)])
def test_the_measured_masses_are_the_prescribed_ones(mesh: Mesh) -> None:
    film = solve_dirichlet(mesh, wavy, density(0.3) + WIRE)
    inside = mesh.interior
    assert film.prescribed.sum() > 1
    assert film.measure.masses[inside] == pytest.approx(film.prescribed[inside], abs=1e-11)
    assert (film.measure.masses[mesh.boundary] == 0).all()
    assert film.mismatch < 1e-9
    assert film.steepness.max() < 1


def test_the_threshold_of_a_constant_load_on_the_disc_is_two() -> None:
    film = solve_dirichlet(Mesh.disc(refinement=5), 0.0, density(1.8))
    cap = exact.cap(2 / 1.8)
    assert film.u.min() == pytest.approx(float(cap.height(0, 0) - cap.height(1, 0)), abs=1e-3)
    with pytest.raises(SolverError, match=r"density 2\.3.*nu\(E\) <= perimeter\(E\)"):
        solve_dirichlet(Mesh.disc(refinement=5), 0.0, density(2.3))


def test_steps_stay_few_near_the_threshold() -> None:
    film = solve_dirichlet(Mesh.disc(refinement=5), 0.0, density(1.98))
    finest = [step for step in film.history if step.nodes == len(film.mesh.points)]
    assert len(finest) < 10
    assert finest[-1].residual <= 1e-10


def test_the_square_holds_a_constant_load_up_to_its_cheeger_constant() -> None:
    # 2 + sqrt(pi) = 3.7725 for the unit square, where the whole square would allow 4.
    mesh = Mesh.rectangle(divisions=64)
    assert solve_dirichlet(mesh, 0.0, density(3.6)).u.min() < -0.2
    with pytest.raises(
        InadmissibleLoad, match=r"lambda\* = 0\.95\d+ .* about \(0\.5, 0\.5\) has perimeter 3\.\d+"
    ):
        solve_dirichlet(mesh, 0.0, density(3.95))


def test_a_load_too_heavy_in_one_place_runs_away_and_says_where() -> None:
    heavy = density(
        lambda x, y: 5.0 * (np.hypot(x - 0.3, y) < 0.5), "5 near (0.3, 0)"
    )  # 2 / 0.5 is the limit
    with pytest.raises(SolverError, match=r"5 near \(0\.3, 0\).*about \(0\.\d+, .*perimeter") as caught:
        solve_dirichlet(Mesh.disc(refinement=4), 0.0, heavy)
    assert "lighter" in caught.value.cure


def test_more_than_two_a_unit_of_length_is_refused_and_less_is_solved() -> None:
    line = [(-0.5, 0.0), (0.5, 0.0)]
    assert solve_dirichlet(Mesh.disc(refinement=4), 0.0, on_curve(line, 1.9)).u.min() < -0.5
    with pytest.raises(SolverError, match=r"mass 2\.1 a unit of length.*twice its length"):
        solve_dirichlet(Mesh.disc(refinement=4), 0.0, on_curve(line, 2.1))


def test_a_negative_measure_is_refused_where_it_is_negative() -> None:
    mesh = Mesh.disc(refinement=3)
    with pytest.raises(ConfigurationError, match=r"negative near \(-?0\.\d+, -?0\.\d+\)"):
        solve_dirichlet(mesh, -1 * WIRE, 0.0)
    with pytest.raises(ConfigurationError, match=r"negative near \(-"):
        solve_dirichlet(mesh, density(lambda x, y: x + 0.5), 0.0)
    dented = density(1.0) + -1 * density(0.4)
    assert solve_dirichlet(mesh, dented).u == pytest.approx(solve_dirichlet(mesh, density(0.6)).u)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.0, 0.8), st.floats(0.0, 0.8), st.floats(0.0, 0.3))
def test_a_heavier_film_with_lower_rim_hangs_lower(load: float, more: float, lower: float) -> None:
    mesh = Mesh.disc(refinement=3)
    upper = solve_dirichlet(mesh, wavy, density(load))
    under = solve_dirichlet(mesh, lambda x, y: wavy(x, y) - lower * (x > 0), density(load + more))
    assert (under.u <= upper.u + 1e-9).all()


@settings(max_examples=10, deadline=None)
@given(st.floats(0.2, 20), st.floats(-5, 5), st.floats(-5, 5))
def test_scaling_and_moving_the_problem_scales_and_moves_the_film(
    scale: float, right: float, up: float
) -> None:
    shift = np.array([right, up])
    line = np.array([(-0.5, -0.1), (0.1, 0.2), (0.45, -0.3)])
    small = solve_dirichlet(Mesh.disc(refinement=3), 0.1, density(0.5) + on_curve(line, 1.0))
    load = density(0.5 / scale) + on_curve(scale * line + shift, 1.0)
    large = solve_dirichlet(Mesh.disc(scale, shift, refinement=3), 0.1 * scale, load)
    assert large.u / scale == pytest.approx(small.u, abs=1e-9)
    assert large.measure.masses / scale == pytest.approx(small.measure.masses, abs=1e-9)


def test_the_energy_is_least_at_the_film() -> None:
    film = solve_dirichlet(Mesh.disc(refinement=3), wavy, density(0.5) + WIRE)
    operator, noise = AreaOperator(film.mesh), np.random.default_rng(0)
    for size in (1e-3, 1e-2, 1.0):
        step = size * noise.standard_normal(len(film.u))
        step[film.mesh.boundary] = 0
        assert operator.change(film.u, step, film.prescribed) > 0


def test_residual_and_jacobian_are_derivatives_of_the_energy() -> None:
    mesh, noise = Mesh.rectangle(divisions=5), np.random.default_rng(1)
    operator, load = AreaOperator(mesh), WIRE.load(Mesh.rectangle((-1, -1), (1, 1), 5))
    u, step = noise.standard_normal((2, len(mesh.points)))
    step[mesh.boundary] = 0
    tiny = 1e-5
    slope = (operator.change(u, tiny * step, load) - operator.change(u, -tiny * step, load)) / (2 * tiny)
    assert operator.residual(u, load) @ step == pytest.approx(slope, rel=1e-7)
    turn = (operator.residual(u + tiny * step, load) - operator.residual(u - tiny * step, load)) / (2 * tiny)
    assert operator.jacobian(u) @ step[mesh.interior] == pytest.approx(
        turn[mesh.interior], rel=1e-6, abs=1e-8
    )


def test_linear_systems_are_solved_as_exactly_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = Mesh.disc(refinement=5)
    matrix = AreaOperator(mesh).jacobian(wavy(*mesh.points.T))
    right = np.random.default_rng(2).standard_normal(matrix.shape[0])
    for largest in (10**6, 500):
        monkeypatch.setattr(linear_module, "LARGEST_DIRECT", largest)
        solution = linear_module.solve_positive(matrix, right, 1e-10)
        assert np.linalg.norm(matrix @ solution - right) < 1e-9 * np.linalg.norm(right)


def test_multigrid_and_direct_factors_find_the_same_film(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = Mesh.disc(refinement=5)
    direct = solve_dirichlet(mesh, wavy, density(0.5) + WIRE)
    monkeypatch.setattr(linear_module, "LARGEST_DIRECT", 500)
    multigrid = solve_dirichlet(mesh, wavy, density(0.5) + WIRE)
    assert multigrid.u == pytest.approx(direct.u, abs=1e-8)


def test_coarse_meshes_spare_the_fine_one_work() -> None:
    known = exact.scherk()
    mesh = Mesh.rectangle((-1.2, -1.2), (1.2, 1.2), 64)
    alone = Mesh(mesh.points, mesh.triangles)
    nested, cold = (solve_dirichlet(m, boundary=known.height) for m in (mesh, alone))
    assert nested.u == pytest.approx(cold.u, abs=1e-9)
    assert sum(step.nodes == len(mesh.points) for step in nested.history) < len(cold.history)


def test_boundary_values_may_be_a_number_an_array_or_a_function() -> None:
    mesh = Mesh.disc(refinement=3)
    values = np.full(len(mesh.points), np.nan)
    values[mesh.boundary] = wavy(*mesh.points[mesh.boundary].T)
    by_array, by_function = solve_dirichlet(mesh, boundary=values), solve_dirichlet(mesh, boundary=wavy)
    assert by_array.u == pytest.approx(by_function.u, abs=1e-9)
    assert solve_dirichlet(mesh, boundary=0.7).u == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("boundary", "load"),
    [
        (np.nan, None),
        (np.zeros(5), None),
        (lambda x, y: 1 / (x - x), None),
        (0.0, density(lambda x, y: np.log(x), "log x")),
        (0.0, on_curve([(3, 3), (4, 4)], 1.0)),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_wrong_input_is_refused_in_one_line(boundary: object, load: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        solve_dirichlet(Mesh.disc(refinement=2), boundary, load)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert caught.value.cure


def test_a_mesh_without_inner_nodes_is_refused() -> None:
    with pytest.raises(MezzofantiError, match="no node inside"):
        solve_dirichlet(Mesh.rectangle(divisions=1))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 1e4))
def test_no_set_has_more_mass_than_its_perimeter_whatever_u_is(seed: int, height: float) -> None:
    mesh, noise = Mesh.disc(refinement=3), np.random.default_rng(seed)
    u = height * noise.standard_normal(len(mesh.points))
    chosen = np.zeros(len(mesh.points))
    chosen[mesh.interior] = noise.integers(0, 2, len(mesh.interior))
    variation = mesh.areas @ np.hypot(*AreaOperator(mesh).slope(chosen).T)
    assert abs(chosen @ mean_curvature_measure(mesh, u).masses) <= variation + 1e-12


def test_the_order_of_load_and_boundary_values_does_not_matter() -> None:
    mesh, load = Mesh.disc(refinement=2), density(0.5)
    films = [
        solve_dirichlet(mesh, load, 0.1),
        solve_dirichlet(mesh, 0.1, load),
        solve_dirichlet(mesh, measure=load, boundary=0.1),
        solve_dirichlet(mesh, boundary=0.1, measure=load),
    ]
    assert all(np.array_equal(film.values, films[0].u) for film in films)
    with pytest.raises(ConfigurationError, match="Two measures"):
        solve_dirichlet(mesh, load, load)


def test_a_boundary_value_that_is_missing_is_named() -> None:
    mesh = Mesh.rectangle(cells=4)
    values = np.zeros(len(mesh.points))
    values[mesh.boundary[3]] = np.nan
    x, y = mesh.points[mesh.boundary[3]]
    with pytest.raises(ConfigurationError, match=rf"node {mesh.boundary[3]} at \({x:g}, {y:g}\)"):
        solve_dirichlet(mesh, None, values)


@pytest.mark.parametrize("wrong", [5.0, lambda x, y: x, [1.0, 2.0]])
def test_a_number_or_a_function_is_no_load(wrong: Any) -> None:
    mesh = Mesh.rectangle(cells=4)
    with pytest.raises(ConfigurationError, match="The load is no Measure but"):
        solve_dirichlet(mesh, wrong)
    with pytest.raises(ConfigurationError, match="The load is no Measure but"):
        critical_load(mesh, wrong)


def test_a_boundary_function_of_other_coordinates_is_named() -> None:
    with pytest.raises(ConfigurationError, match="'boundary' does not take 2 coordinates") as caught:
        solve_dirichlet(Mesh.rectangle(cells=4), density(1.0), lambda x: x)
    assert "a function of x, y" in caught.value.cure


def test_a_load_next_to_nothing_is_none() -> None:
    mesh = Mesh.disc(refinement=2)
    assert critical_load(mesh, density(2e-311)).value == np.inf
    assert solve_dirichlet(mesh, density(2e-311)).u == pytest.approx(0, abs=1e-12)
    assert critical_load(mesh, density(1e-150)).value == pytest.approx(2e150, rel=0.05)
