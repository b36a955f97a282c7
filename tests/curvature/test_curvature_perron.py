"""Perron's lifting: above u, equal outside the ball, minimal inside it, and its two sequences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mezzofanti.curvature import Mesh, is_subharmonic, mean_curvature_measure, solve_dirichlet
from mezzofanti.curvature.perron import perron_lift, perron_sequence, perron_solution
from mezzofanti.errors import ConfigurationError

SQUARE = Mesh.rectangle((-1, 1), (-1, 1), cells=32)


def creased(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0) + 0.3 * np.abs(y)


HEIGHTS = creased(*SQUARE.points.T)


def test_a_lift_is_above_u_minimal_in_the_ball_and_u_outside() -> None:
    lift = perron_lift(creased, ((0.1, 0.0), 0.6), SQUARE)
    away = np.linalg.norm(SQUARE.points - [0.1, 0.0], axis=1)
    assert (lift >= HEIGHTS - 1e-10).all()
    assert (lift - HEIGHTS)[away < 0.4].min() > 0.02
    assert (lift == HEIGHTS)[away > 0.6].all()
    masses = mean_curvature_measure(lift, SQUARE).masses
    assert masses[away < 0.5] == pytest.approx(0, abs=1e-10)
    moved = mean_curvature_measure(HEIGHTS, SQUARE)  # the mass is swept to the sphere: the total is the same
    assert masses.sum() == pytest.approx(moved.total(), abs=1e-9)
    assert is_subharmonic(lift, SQUARE, balls=6)


def test_lifting_again_changes_nothing() -> None:
    once = perron_lift(HEIGHTS, ((0, 0), 0.6), SQUARE)
    assert perron_lift(once, ((0, 0), 0.6), SQUARE) == pytest.approx(once, abs=1e-9)


def test_lifts_decrease_to_u_with_the_ball() -> None:
    radii = (0.9, 0.6, 0.4, 0.2, 0.1)
    lifts = perron_sequence(creased, (0, 0), radii, SQUARE)
    for larger, smaller in itertools.pairwise(lifts):
        assert (larger >= smaller - 1e-10).all()
    above = [np.abs(lift - HEIGHTS).max() for lift in lifts]
    assert above == sorted(above, reverse=True)
    assert above[-1] < 0.3 * radii[-1]


def test_sweeps_of_lifts_increase_to_the_minimal_graph() -> None:
    mesh = Mesh.rectangle((-1, 1), (-1, 1), cells=16)
    last = creased(*mesh.points.T)
    for u in perron_solution(creased, mesh, sweeps=12):
        assert (u >= last - 1e-10).all()
        last = u
    assert last == pytest.approx(solve_dirichlet(mesh, boundary=creased, relaxed=False).u, abs=1e-5)


def test_a_pole_and_a_jump_are_lifted() -> None:
    lift = perron_lift(lambda x, y: np.log(np.hypot(x, y)), ((0, 0), 0.5), SQUARE)
    # The cells in the ball reach to between 0.44 and 0.5.
    assert np.log(0.43) < lift[np.argmin(np.linalg.norm(SQUARE.points, axis=1))] < np.log(0.5)
    step = perron_lift(lambda x, y: 1.0 * (np.hypot(x, y) > 0.3), ((0, 0), 0.6), SQUARE)
    assert step.min() == pytest.approx(1)


def test_on_the_line_and_in_space() -> None:
    line = Mesh.interval(-1, 1, cells=20)
    lift = perron_lift(lambda x: np.abs(x), (0.0, 0.5), line)
    assert lift == pytest.approx(np.maximum(np.abs(line.points[:, 0]), 0.5), abs=1e-12)
    box = Mesh.box((-1, 1), (-1, 1), (-1, 1), cells=4)
    lift = perron_lift(lambda x, y, z: np.abs(x), ((0, 0, 0), 1.0), box)
    assert lift[np.argmin(np.linalg.norm(box.points, axis=1))] > 0.1


def test_a_ball_without_nodes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no node inside"):
        perron_lift(creased, ((0, 0), 0.03), SQUARE)
