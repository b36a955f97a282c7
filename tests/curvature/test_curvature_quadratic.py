"""Quadratic films: exact where they should be, order three, the same measure."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.curvature.errors import errors

from mezzofanti.curvature import Mesh, density, exact, on_curve, solve_dirichlet
from mezzofanti.curvature.quadratic import QuadraticFilm, quadratic_film, quadratic_shapes
from mezzofanti.errors import ConfigurationError, SolverError


def quadratic(mesh: Mesh, known: exact.Known) -> QuadraticFilm:
    film = solve_dirichlet(mesh, known.measure, known.height, degree=2)
    assert isinstance(film, QuadraticFilm)
    return film


def test_shapes_are_one_at_their_own_point_and_sum_to_one() -> None:
    points = np.vstack([np.eye(3), [[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]]])
    assert quadratic_shapes(points) == pytest.approx(np.eye(6))
    inside = np.random.default_rng(0).dirichlet([1, 1, 1], 7)
    assert quadratic_shapes(inside).sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("known", [exact.scherk(), exact.delaunay(0.8, 0.2, 2.0)])
def test_orders_three_and_two(known: exact.Known) -> None:
    found = [
        errors(quadratic(Mesh.rectangle((0.4, 1.2), (0.4, 1.2), cells=cells), known), known.height)
        for cells in (8, 16)
    ]
    l2, h1 = np.log2(np.array(found[0]) / np.array(found[1]))
    assert l2 == pytest.approx(3.0, abs=0.12)
    assert h1 == pytest.approx(2.0, abs=0.1)


def test_heights_at_the_middles_are_those_of_the_edges() -> None:
    known = exact.scherk()
    film = quadratic(Mesh.rectangle((-1, 1), (-1, 1), cells=16), known)
    middles = film.mesh.points[film.mesh.edges].mean(axis=1)
    assert film.middles == pytest.approx(known.height(*middles.T), abs=2e-4)
    at_corners = film.at(np.eye(3))[0]
    assert at_corners == pytest.approx(film.u[film.mesh.triangles])


def test_a_crease_on_mesh_lines_is_exact_and_its_measure_too() -> None:
    known = exact.kink(2.0)
    film = quadratic(Mesh.rectangle((-1, 1), (-1, 1), cells=4), known)
    assert film.u == pytest.approx(known.height(*film.mesh.points.T), abs=1e-10)
    assert film.measure.masses[film.mesh.interior] == pytest.approx(
        known.measure.load(film.mesh)[film.mesh.interior], abs=1e-9
    )


def test_the_measure_against_hats_is_the_load_for_curved_films_too() -> None:
    mesh = Mesh.disc(refinement=3)
    load = density(0.7) + on_curve([(-0.5, 0.1), (0.4, 0.2)], 0.6)
    film = quadratic_film(solve_dirichlet(mesh, load), 0.0)
    # flux and load are integrated by rules of different degree: equal up to that
    assert film.measure.masses[mesh.interior] == pytest.approx(load.load(mesh)[mesh.interior], abs=2e-3)
    assert film.outcome == "attained"
    assert film.history[-1].residual < 1e-10


def test_what_has_no_quadratic_film_is_refused() -> None:
    mesh = Mesh.rectangle((-1, 1), (-1, 1), cells=8)
    film = solve_dirichlet(mesh, density(0.5))
    with pytest.raises(ConfigurationError, match="between nodes"):
        quadratic_film(film, np.zeros(len(mesh.points)))  # type: ignore[arg-type]
    part = density(0.5).restricted(box=((0, 0.5), (0, 0.5)))
    with pytest.raises(ConfigurationError, match="densities and curves"):
        quadratic_film(solve_dirichlet(mesh, part), 0.0)
    with pytest.raises(ConfigurationError, match="degree 3"):
        solve_dirichlet(mesh, density(0.5), degree=3)
    with pytest.raises(ConfigurationError, match="plane mesh"):
        quadratic_film(solve_dirichlet(Mesh.interval(cells=8), density(0.5)), 0.0)


def test_a_film_that_let_go_has_no_quadratic_one() -> None:
    ring = Mesh.disc(refinement=3)
    kept = ring.triangles[np.hypot(*ring.centroids.T) > 0.39]
    used, corners = np.unique(kept, return_inverse=True)
    mesh = Mesh(ring.points[used], corners.reshape(kept.shape))

    def tall(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return 3.0 * (np.hypot(x, y) < 0.6)

    film = solve_dirichlet(mesh, None, tall)
    assert film.outcome == "detached"
    with pytest.raises(SolverError, match="leaves its boundary values"):
        quadratic_film(film, tall)
