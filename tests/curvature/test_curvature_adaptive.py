"""Refinement where the film is wrong: the indicator, the cut, and what it gains."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.curvature.errors import errors, rate
from benchmarks.curvature.orders import turned_kink

from mezzofanti.curvature import (
    AdaptiveFilm,
    Film,
    Mesh,
    density,
    error_indicator,
    exact,
    on_curve,
    refined_at,
    solve_adaptively,
    solve_dirichlet,
)
from mezzofanti.curvature.adaptive import Level
from mezzofanti.errors import ConfigurationError

SQUARE = Mesh.rectangle((-1, 1), (-1, 1), cells=8)


@pytest.mark.parametrize("slope", [1.0, 5.0])
def test_a_crease_on_mesh_lines_is_in_balance(slope: float) -> None:
    known = exact.kink(slope)
    assert error_indicator(SQUARE, known.height(*SQUARE.points.T), known.measure).max() < 1e-10


def test_a_wrong_weight_is_seen_beside_the_crease_alone() -> None:
    known = exact.kink(1.0)
    eta = error_indicator(SQUARE, known.height(*SQUARE.points.T), 0.9 * known.measure)
    beside = (SQUARE.points[SQUARE.triangles][..., 0] == 0).sum(axis=1) == 2
    assert (eta[beside] > 0.01).all()
    assert eta[~beside].max() < 1e-10


def test_the_indicator_is_what_its_formula_says_on_two_triangles() -> None:
    mesh = Mesh([[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 1, 2], [0, 2, 3]])
    u = np.array([0.0, 0.0, 0.0, 1.0])
    # Below the diagonal u = 0; above it u = y - x, |Du|^2 = 2: the flux across it, sqrt(2) long, jumps by sqrt(2/3).
    jump = np.sqrt(2 / 3) * np.sqrt(2)
    line = on_curve([(0, 0), (1, 1)], 0.5)
    expected = np.sqrt(
        np.sqrt(2) ** 2 * 0.25**2 * 0.5 + np.sqrt(2) / 2 * (jump - 0.5 * np.sqrt(2)) ** 2 / np.sqrt(2)
    )
    assert error_indicator(mesh, u, density(0.25) + line) == pytest.approx([expected, expected])


def test_local_refinement_keeps_the_mesh_conforming_and_knows_its_parents() -> None:
    fine = refined_at(SQUARE, [3, 40])
    assert fine.coarser is SQUARE
    assert len(SQUARE.points) < len(fine.points) < len(SQUARE.refined().points)
    assert fine.areas.sum() == pytest.approx(4.0)
    Mesh(fine.points, fine.triangles)  # raises for cells that overlap or hang
    linear = 2 * SQUARE.points[:, 0] - SQUARE.points[:, 1]
    assert fine.prolong(linear) == pytest.approx(2 * fine.points[:, 0] - fine.points[:, 1])


def test_a_disc_stays_round() -> None:
    disc = Mesh.disc(refinement=2)
    on_rim = np.isin(disc.triangles, disc.boundary).sum(axis=1) == 2
    fine = refined_at(refined_at(disc, np.flatnonzero(on_rim)), [0, 1])
    assert np.hypot(*fine.points[fine.boundary].T) == pytest.approx(1.0)


def test_an_unaligned_kink_costs_no_order() -> None:
    # Uniform meshes give unknowns^(-1/4) in the H1-seminorm; the adaptive ones unknowns^(-1/2).
    height, wire, _, _ = turned_kink(2)
    found: list[tuple[int, float]] = []

    def note(level: Level, film: Film) -> None:
        found.append((level.nodes, errors(film, height)[1]))

    result = solve_adaptively(SQUARE, wire, height, nodes=1500, on_level=note)
    nodes, wrong = zip(*found[2:], strict=True)
    assert rate(nodes, wrong, last=len(nodes)) == pytest.approx(-0.5, abs=0.08)
    uniform = [errors(solve_dirichlet(mesh, wire, height), height)[1] for mesh in (SQUARE, SQUARE.refined(2))]
    assert np.log2(uniform[0] / uniform[1]) / 2 == pytest.approx(0.5, abs=0.2)
    assert [level.nodes for level in result.levels] == [nodes for nodes, _ in found]
    assert len(result.film.mesh.points) >= 1500


def test_refinement_stops_at_the_tolerance_and_its_film_is_the_held_one() -> None:
    coarse = solve_adaptively(SQUARE, density(1.0), nodes=10**6, tolerance=0.4)
    assert isinstance(coarse, AdaptiveFilm)
    assert coarse.levels[-1].estimate <= 0.4 < coarse.levels[0].estimate
    again = solve_dirichlet(Mesh(coarse.film.mesh.points, coarse.film.mesh.triangles), density(1.0))
    assert coarse.film.u == pytest.approx(again.u, abs=1e-9)
    exchanged = solve_adaptively(SQUARE, 0.0, density(1.0), nodes=10**6, tolerance=0.4)
    assert np.array_equal(exchanged.film.u, coarse.film.u)


@pytest.mark.parametrize(
    ("mesh", "boundary", "marked"),
    [(SQUARE, np.zeros(len(SQUARE.points)), 0.5), (SQUARE, 0.0, 0.0), (Mesh.interval(cells=4), 0.0, 0.5)],
)
def test_what_cannot_be_refined_is_refused(mesh: Mesh, boundary: object, marked: float) -> None:
    with pytest.raises(ConfigurationError) as caught:
        solve_adaptively(mesh, boundary, density(0.5), nodes=200, marked=marked)  # type: ignore[arg-type]
    assert caught.value.cure


@pytest.mark.parametrize("cell", [-1, 128])
def test_a_cell_that_is_not_there_is_named(cell: int) -> None:
    with pytest.raises(ConfigurationError, match=f"There is no cell {cell}: cells are 0 to 127"):
        refined_at(SQUARE, [3, cell])


def test_heights_of_another_mesh_have_no_indicator() -> None:
    with pytest.raises(ConfigurationError, match=r"u has shape \(3,\), the mesh 81 nodes"):
        error_indicator(SQUARE, np.zeros(3), density(1.0))
