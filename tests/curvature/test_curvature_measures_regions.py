"""Masses of regions: each node's mass spread over its dual cell, unaligned boxes included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mezzofanti.curvature import Mesh, mean_curvature_measure, on_curve
from mezzofanti.curvature.dual import dual_volumes, samples, share_inside
from mezzofanti.curvature.regions import ball, box_of, region
from mezzofanti.errors import ConfigurationError

MESHES = {"disc": Mesh.disc(refinement=3), "rectangle": Mesh.rectangle((-1, 1), (-1, 1), cells=(5, 4))}
sides = st.tuples(st.floats(-1.2, 1.2), st.floats(-1.2, 1.2)).map(sorted).filter(lambda s: s[1] - s[0] > 1e-3)


def test_the_mass_of_a_kink_in_a_box_that_cuts_dual_cells() -> None:
    mesh = Mesh.rectangle((-1, 1), (-1, 1), cells=64)
    kink = mean_curvature_measure(lambda x, y: abs(x), mesh)
    half = ((-0.5, 0.5), (-0.5, 0.5))
    assert kink.mass(box=half) == pytest.approx(np.sqrt(2), abs=1e-12)
    assert kink.mass(box=((-0.5, 0.5), (-0.417, 0.333))) == pytest.approx(0.75 * np.sqrt(2), abs=1e-12)
    assert kink.mass(inside=lambda x, y: np.maximum(abs(x), abs(y)) < 0.5) == pytest.approx(np.sqrt(2))
    assert kink.mass(disc=((0, 0), 0.5)) == pytest.approx(np.sqrt(2), rel=1e-2)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(MESHES)), sides, sides)
def test_shares_of_a_box_are_areas(name: str, x: list[float], y: list[float]) -> None:
    # The exact shares against counting points, and against the area of the box where the mesh covers it.
    mesh, box = MESHES[name], box_of((x, y))
    exact = share_inside(mesh, box)
    counted = share_inside(mesh, region(inside=box.test))
    assert exact.min() >= -1e-12
    assert exact.max() <= 1 + 1e-12
    assert np.abs(exact - counted).max() < 0.25
    if name == "rectangle":
        covered = np.prod([np.ptp(np.clip(side, -1, 1)) for side in (x, y)])
        assert exact @ dual_volumes(mesh) == pytest.approx(covered, abs=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_each_corner_owns_an_equal_share_of_a_simplex(dimension: int) -> None:
    shares, owned = samples(dimension)
    assert shares.sum(axis=1) == pytest.approx(1)
    assert owned.sum(axis=0) == pytest.approx(1 / (dimension + 1))
    assert (owned[shares < shares.max(axis=1, keepdims=True) - 1e-12] == 0).all()


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"box": ((0, 1), (0, 1)), "disc": ((0, 0), 1)},
        {"box": ((1, 0), (0, 1))},
        {"box": 3},
        {"box": ((0, 1),)},
        {"disc": ((0, 0), -1)},
    ],
)
def test_what_is_no_region_is_refused(asked: dict[str, object]) -> None:
    measure = mean_curvature_measure(lambda x, y: x, MESHES["disc"])
    with pytest.raises(ConfigurationError) as caught:
        measure.mass(**asked)  # type: ignore[arg-type]
    assert caught.value.cure


def test_a_region_says_what_it_is() -> None:
    assert ball((0, 1), 2).name == "the ball of radius 2 about (0, 1)"
    assert box_of(((0, 1), (2, 3))).name == "the box [0, 1] x [2, 3]"
    assert "weight" not in on_curve([(0, -1), (0, 1)], weight=1.5).describe()
