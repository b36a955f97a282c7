"""Triangulations: areas, boundaries, refinement, and edges that follow wires."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mezzofanti.curvature import Mesh, exact, fit_mesh, on_curve
from mezzofanti.errors import ConfigurationError, DataError


def test_a_rectangle_is_covered_once() -> None:
    mesh = Mesh.rectangle((1, 2), (4, 3), (12, 8))
    assert len(mesh.points) == 13 * 9
    assert mesh.areas == pytest.approx(3 / (2 * 96))
    assert mesh.perimeter == pytest.approx(8)
    assert len(mesh.boundary) == 40
    assert mesh.coarser is not None
    assert len(mesh.coarser.points) == 7 * 5


def test_a_disc_is_made_of_rings() -> None:
    mesh = Mesh.disc(2.0, (1.0, -1.0), refinement=4)
    radius = np.hypot(*(mesh.points - [1.0, -1.0]).T)
    rings, counts = np.unique(np.round(radius * 8).astype(int), return_counts=True)
    assert radius * 8 == pytest.approx(np.round(radius * 8), abs=1e-9)
    assert counts.tolist() == [1, *(6 * rings[1:])]
    assert mesh.areas.sum() == pytest.approx(4 * np.pi, rel=2e-3)
    assert mesh.areas.min() > 0.4 * mesh.areas.max()
    assert len(mesh.boundary) == 96


def test_hat_gradients_reproduce_linear_functions() -> None:
    mesh = Mesh.disc(refinement=3)
    u = 2 * mesh.points[:, 0] - 3 * mesh.points[:, 1] + 1
    slopes = np.einsum("tcx,tc->tx", mesh.hat_gradients, u[mesh.triangles])
    assert slopes == pytest.approx(np.tile([2.0, -3.0], (len(slopes), 1)))


def test_prolonged_values_are_those_of_the_coarse_function() -> None:
    mesh = Mesh.rectangle(divisions=8)
    assert mesh.coarser is not None
    plane = mesh.coarser.points @ [2.0, -1.0]
    assert mesh.prolong(plane) == pytest.approx(mesh.points @ [2.0, -1.0])
    with pytest.raises(ConfigurationError, match="not refined"):
        Mesh.rectangle(divisions=3).prolong(plane)


def test_triangles_may_come_in_either_orientation(tmp_path: Path) -> None:
    path = tmp_path / "mesh.json"
    path.write_text(
        json.dumps({"points": [[0, 0], [1, 0], [0, 1], [1, 1]], "triangles": [[0, 1, 2], [1, 2, 3]]})
    )
    mesh = Mesh.read(path).refined()
    assert mesh.areas == pytest.approx(1 / 8)
    assert len(mesh.interior) == 1


@pytest.mark.parametrize(
    "content", ["{", '{"points": [[0, 0]]}', '{"points": [[0,0],[1,0],[2,0]], "triangles": [[0,1,2]]}', "[1]"]
)
def test_broken_mesh_files_are_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mesh.json"
    path.write_text(content)
    with pytest.raises(
        DataError, match=r"mesh\.json( does not hold a triangle mesh|: Cell 0 .* has no volume)"
    ):
        Mesh.read(path)
    with pytest.raises(DataError, match="no mesh file"):
        Mesh.read(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("points", "triangles"),
    [
        (np.zeros((3, 3)), [[0, 1, 2]]),
        ([[0, 0], [1, 0], [0, np.nan]], [[0, 1, 2]]),
        ([[0, 0], [1, 0], [0, 1], [5, 5]], [[0, 1, 2]]),
        ([[0, 0], [1, 0], [0, 1]], [[0, 1, 3]]),
    ],
)
def test_wrong_arrays_are_refused(points: object, triangles: object) -> None:
    with pytest.raises(ConfigurationError):
        Mesh(points, triangles)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [lambda: Mesh.disc(-1), lambda: Mesh.disc(refinement=0), lambda: Mesh.rectangle((1, 0), (0, 1))]
)
def test_empty_domains_are_refused(wrong: object) -> None:
    with pytest.raises(ConfigurationError):
        wrong()  # type: ignore[operator]


def share_on_edges(mesh: Mesh, line: np.ndarray) -> float:
    """Share of the line's length that runs along mesh edges."""
    covered = 0.0
    for start, end in itertools.pairwise(line):
        way = (end - start) / np.linalg.norm(end - start)
        ends = mesh.points[mesh.edges]
        off = np.abs((ends - start) @ [-way[1], way[0]]).max(axis=1)
        along = np.sort(((ends - start) @ way).clip(0, np.linalg.norm(end - start)), axis=1)
        covered += np.ptp(along[off < 1e-8], axis=1).sum()
    return covered / np.linalg.norm(np.diff(line, axis=0), axis=1).sum()


@settings(max_examples=25, deadline=None)
@given(st.floats(0, np.pi), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
def test_a_fitted_mesh_follows_a_straight_wire(angle: float, x: float, y: float) -> None:
    mesh = Mesh.disc(refinement=5)
    half = 0.6 * np.array([np.cos(angle), np.sin(angle)])
    middle = np.array([x, y])
    line = np.array([middle - half, middle + half])
    fitted = fit_mesh(mesh, on_curve(line, 1.0))
    assert share_on_edges(fitted, line) > 0.9
    assert fitted.areas.min() > 0.1 * mesh.areas.min()
    assert fitted.points[fitted.boundary] == pytest.approx(mesh.points[mesh.boundary], abs=1e-12)


def test_a_fitted_mesh_follows_corners_and_stays_nested() -> None:
    line = np.array([(-0.52, -0.1), (0.03, 0.31), (0.44, -0.33)])
    fitted = fit_mesh(Mesh.disc(refinement=6), on_curve(line, 1.0))
    assert share_on_edges(fitted, line) > 0.95
    assert fitted.coarser is not None
    assert fitted.coarser.coarser is not None
    assert fitted.points[: len(fitted.coarser.points)][fitted.coarser.interior] == pytest.approx(
        fitted.coarser.points[fitted.coarser.interior]
    )


def test_without_wires_a_mesh_is_left_alone() -> None:
    mesh = Mesh.disc(refinement=3)
    assert fit_mesh(mesh, exact.cap(2).measure) is mesh
