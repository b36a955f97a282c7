"""Comparison with minimal graphs on balls: who passes, who is refuted, and where."""

from __future__ import annotations

import numpy as np
import pytest

from mezzofanti.curvature import Mesh, is_subharmonic
from mezzofanti.curvature.experiments import extremal_ring
from mezzofanti.errors import ConfigurationError

SQUARE = Mesh.rectangle((-1, 1), (-1, 1), cells=32)

BELOW = {
    "scherk, minimal": lambda x, y: np.log(np.cos(y) / np.cos(x)),
    "the larger of two minimal graphs": lambda x, y: np.maximum(np.log(np.cos(y) / np.cos(x)), 0.3 * x),
    "cap": lambda x, y: -np.sqrt(9 - x**2 - y**2),
    "cone": np.hypot,
    "extremal ring with its jump": extremal_ring(0.3),
    "extremal ring, deep": extremal_ring(100.0),
    "saddle, convex on the whole": lambda x, y: -0.2 * x**2 + 0.5 * y**2,
}
ABOVE = {
    "the smaller of two minimal graphs": lambda x, y: np.minimum(np.log(np.cos(y) / np.cos(x)), 0.3 * x),
    "cap turned over": lambda x, y: np.sqrt(9 - x**2 - y**2),
    "cone turned over": lambda x, y: -np.hypot(x, y),
    "step": lambda x, y: 1.0 * (x >= 0.01),
    "saddle, concave on the whole": lambda x, y: -0.5 * x**2 + 0.3 * y**2,
}


@pytest.mark.parametrize("name", BELOW)
def test_subharmonic_functions_pass(name: str) -> None:
    verdict = is_subharmonic(BELOW[name], SQUARE, balls=8)
    assert verdict, verdict
    assert verdict.balls == 8


@pytest.mark.parametrize("name", ABOVE)
def test_others_are_refuted_with_a_place(name: str) -> None:
    verdict = is_subharmonic(ABOVE[name], SQUARE, balls=4)
    assert not verdict
    assert verdict.excess > 0.004
    center, radius = verdict.ball
    assert np.linalg.norm(np.subtract(verdict.where, center)) < radius
    assert np.abs(center).max() + radius <= 1


def test_values_at_nodes_are_judged_within_what_the_mesh_can_tell() -> None:
    x, y = SQUARE.points.T
    assert is_subharmonic(BELOW["scherk, minimal"](x, y), SQUARE, balls=6)
    assert is_subharmonic(BELOW["extremal ring with its jump"](x, y), SQUARE, balls=6)
    assert not is_subharmonic(ABOVE["cap turned over"](x, y), SQUARE, balls=4)


def test_a_pole_is_subharmonic() -> None:
    assert is_subharmonic(
        lambda x, y: np.log(np.hypot(x, y)), SQUARE, balls=[((0.0, 0.0), 0.5), ((0.3, 0.1), 0.5)]
    )


def test_on_the_line_subharmonic_is_convex() -> None:
    line = Mesh.interval(-1, 1, cells=64)
    assert is_subharmonic(lambda x: np.abs(x - 0.3) + x**2, line)
    assert not is_subharmonic(lambda x: 1.0 * (x > 0), line)  # no jump is convex
    assert not is_subharmonic(lambda x: -np.abs(x - 0.3), line)


def test_in_space() -> None:
    box = Mesh.box((-1, 1), (-1, 1), (-1, 1), cells=8)
    assert is_subharmonic(lambda x, y, z: x**2 + 0.1 * y - 0.2 * z**2, box, balls=2)
    assert not is_subharmonic(lambda x, y, z: -(x**2), box, balls=2)


def test_what_cannot_be_compared_is_said() -> None:
    with pytest.raises(ConfigurationError, match="too coarse"):
        is_subharmonic(np.zeros(9), Mesh.rectangle(cells=2))
    with pytest.raises(ConfigurationError, match="outside the mesh"):
        is_subharmonic(np.zeros(len(SQUARE.points)), SQUARE, balls=[((0.9, 0.0), 0.5)])
    with pytest.raises(ConfigurationError, match=r"inf at \(0, 0\)"):
        is_subharmonic(lambda x, y: 1 / np.hypot(x, y), SQUARE)
