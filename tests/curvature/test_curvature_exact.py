"""Surfaces whose measure is known: the solver finds them, with the order that piecewise linear elements have."""

from __future__ import annotations

import numpy as np
import pytest

from mezzofanti.curvature import Film, Mesh, exact, fit_mesh, mean_curvature_measure, solve_dirichlet
from mezzofanti.curvature.exact import Known


def error_in_l2(film: Film, known: Known) -> float:
    """Root mean square error over the triangles' corners, times the root of the area."""
    error = film.u - known.height(*film.mesh.points.T)
    return float(np.sqrt(film.mesh.areas @ (error[film.mesh.triangles] ** 2).mean(axis=1)))


def square(low: float, high: float, divisions: int) -> Mesh:
    return Mesh.rectangle((low, low), (high, high), divisions)


SMOOTH = {
    "scherk": (exact.scherk(), lambda k: square(-1.2, 1.2, 8 << k)),
    "catenoid": (exact.catenoid(0.5), lambda k: square(0.9, 1.9, 8 << k)),
    "helicoid": (exact.helicoid(), lambda k: Mesh.rectangle((0.5, -1.0), (2.5, 1.0), 8 << k)),
    "delaunay": (exact.delaunay(1.0, 0.1, 1.5), lambda k: square(0.3, 1.0, 8 << k)),
    "cap": (exact.cap(1.2), lambda k: Mesh.disc(refinement=3 + k)),
    "cylinder": (exact.cylinder(1.2), lambda k: Mesh.disc(refinement=3 + k)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_surfaces_are_found_with_second_order(name: str) -> None:
    known, mesh = SMOOTH[name]
    errors = [error_in_l2(solve_dirichlet(mesh(k), known.height, known.measure), known) for k in (1, 2, 3)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert errors[-1] < 3e-4
    assert 1.85 < orders[0] < 2.2
    assert 1.9 < orders[1] < 2.1


@pytest.mark.parametrize("slope", [1.0, 5.0])
def test_a_kink_on_a_mesh_line_is_exact(slope: float) -> None:
    known = exact.kink(slope)
    film = solve_dirichlet(square(-1, 1, 16), known.height, known.measure)
    assert np.abs(film.u - known.height(*film.mesh.points.T)).max() < 1e-11


def test_a_kink_off_the_mesh_is_exact_once_the_mesh_is_fitted_to_it() -> None:
    known = exact.kink(1.0)
    mesh = Mesh.rectangle((-2 / 3, -1.0), (4 / 3, 1.0), 16)  # x = 0 runs inside cells
    crossing = solve_dirichlet(mesh, known.height, known.measure)
    finer = solve_dirichlet(mesh.refined(), known.height, known.measure)
    assert 0.9 < np.log2(error_in_l2(crossing, known) / error_in_l2(finer, known)) < 1.3
    fitted = solve_dirichlet(fit_mesh(mesh, known.measure), known.height, known.measure)
    assert error_in_l2(crossing, known) > 1e-3
    assert error_in_l2(fitted, known) < 1e-11


def test_a_cone_has_no_mass_at_its_tip() -> None:
    known = exact.cone(1.0)
    errors = [
        error_in_l2(solve_dirichlet(square(-1, 1, n), known.height, known.measure), known) for n in (16, 32)
    ]
    assert errors[1] < 0.6 * errors[0] < 0.012
    measure = solve_dirichlet(square(-1, 1, 64), known.height, known.measure).measure
    assert measure.in_disc((0, 0), 0.05) < 0.3 < measure.in_disc((0, 0), 0.5)


def test_a_mass_on_a_circle_agrees_with_the_closed_form() -> None:
    known = exact.circle_mass(neck=0.4, radius=0.5)
    film = solve_dirichlet(Mesh.disc(refinement=6), known.height, known.measure)
    assert film.load.total(film.mesh) == pytest.approx(2 * np.pi * 0.4, rel=1e-4)
    assert error_in_l2(film, known) < 2e-4
    inner = np.hypot(*film.mesh.points.T) < 0.45
    assert np.ptp(film.u[inner]) < 1e-3  # level inside the circle


def test_harnack_fails_on_a_fixed_disc_and_holds_on_a_small_one() -> None:
    # Boundary values K on the arc x > 1/4, else 0: the middle stays below 1, and the right part is torn off upwards.
    mesh = Mesh.disc(refinement=5)
    radius = np.hypot(*mesh.points.T)
    quotients = {}
    for height in (1, 8):
        film = solve_dirichlet(mesh, boundary=lambda x, y, height=height: height * (x > 0.25))
        quotients[height] = [film.u[radius <= r].max() / film.u[radius <= r].min() for r in (0.5, 0.125)]
        assert film.u[0] < 1
    assert quotients[1][0] < 7 < 25 < quotients[8][0]
    assert quotients[8][1] < 2.5


def test_the_radial_rule_agrees_with_the_closed_forms() -> None:
    x, y = np.array([0.5, 0.7, 0.0, 0.9]), np.array([0.0, -0.3, 0.05, 0.9])
    cap, circle = exact.cap(2.0), exact.circle_mass(0.4, 0.5)
    by_rule = exact.radial(lambda r: r / 2.0, 1.5)
    assert by_rule(x, y) == pytest.approx(cap.height(x, y) - cap.height(1.5, 0.0), abs=1e-12)
    by_rule = exact.radial(lambda r: np.where(r > 0.5, 0.4 / np.maximum(r, 0.5), 0.0), 1.5, breaks=[0.5])
    assert by_rule(x, y) == pytest.approx(circle.height(x, y) - circle.height(1.5, 0.0), abs=1e-10)


def test_the_radial_rule_holds_in_space() -> None:
    known = exact.cap(2.0, dimension=3)
    at = np.array([0.5, 0.0]), np.array([0.1, 0.2]), np.array([-0.3, 0.9])
    assert exact.radial(lambda r: r / 2.0, 1.5)(*at) == pytest.approx(
        known.height(*at) - known.height(1.5, 0.0, 0.0), abs=1e-12
    )
    ball = Mesh.ball(refinement=3)
    film = solve_dirichlet(ball, boundary=known.height, measure=known.measure)
    assert np.abs(film.u - known.height(*ball.points.T)).max() < 1e-2


BOXES = [((-0.31, 0.27), (-0.43, 0.19)), ((0.05, 0.61), (-0.22, 0.57)), ((-0.55, 0.13), (0.11, 0.62))]
READ_OFF = {
    "cap": (exact.cap(1.4), 1.8),
    "cylinder": (exact.cylinder(1.4), 1.8),
    "scherk": (exact.scherk(), 1.8),
    "crease across the cells": (exact.kink(1.0), 0.9),
    "cone": (exact.cone(1.0), 0.9),
}


@pytest.mark.parametrize("name", READ_OFF)
def test_masses_are_recovered_on_an_unrelated_mesh_and_unaligned_boxes(name: str) -> None:
    # Point values only; the mesh is turned by an angle and no side of a box is a mesh line.
    known, order = READ_OFF[name]
    turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    errors = []
    for cells in (24, 48, 96):
        square = Mesh.rectangle((-0.87, 0.93), (-0.9, 0.88), cells=cells)
        mesh = Mesh(square.points @ turn.T, square.triangles)
        measure = mean_curvature_measure(known.height, mesh)
        wrong = [measure.mass(box=box) - known.measure.mass(box=box) for box in BOXES]
        errors.append(np.sqrt(np.mean(np.square(wrong))))
    assert np.log2(errors[0] / errors[2]) / 2 > order
    assert errors[2] < 0.02
