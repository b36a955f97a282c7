"""Meshes of intervals, bodies and polygons, in files, and what is refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from mezzofanti.curvature import Mesh, density, solve_dirichlet
from mezzofanti.errors import ConfigurationError, DataError, MissingExtraError


@pytest.mark.parametrize(
    ("mesh", "volume", "perimeter"),
    [
        (Mesh.interval(-1, 2, cells=12), 3, 2),
        (Mesh.box((0, 1), (0, 2), cells=(4, 8)), 2, 6),
        (Mesh.box((0, 1), (0, 2), (0, 3), cells=(2, 4, 6)), 6, 22),
    ],
)
def test_boxes_are_covered_once_and_stay_so_when_refined(mesh: Mesh, volume: float, perimeter: float) -> None:
    for refined in (mesh, mesh.refined()):
        assert refined.areas.sum() == pytest.approx(volume)
        assert refined.perimeter == pytest.approx(perimeter)
        assert np.ptp(refined.areas) == pytest.approx(0, abs=1e-12)
        again = Mesh(refined.points, refined.triangles)  # passes the checks of a mesh from outside
        assert len(again.boundary) == len(refined.boundary)
        plane = refined.points @ np.arange(1.0, refined.dimension + 1)
        slopes = np.einsum("tcx,tc->tx", refined.hat_gradients, plane[refined.triangles])
        assert slopes == pytest.approx(np.broadcast_to(np.arange(1.0, refined.dimension + 1), slopes.shape))


def test_a_box_in_space_is_refined_from_coarser_ones() -> None:
    mesh = Mesh.box((0, 1), (0, 1), (0, 1), cells=8)
    assert len(mesh.points) == 9**3
    assert mesh.coarser is not None
    plane = mesh.coarser.points @ [1.0, -2.0, 3.0]
    assert mesh.prolong(plane) == pytest.approx(mesh.points @ [1.0, -2.0, 3.0])


def test_tetrahedra_do_not_degenerate_when_refined() -> None:
    mesh = Mesh([(0, 0, 0), (1, 0.1, 0), (0.3, 1, 0), (0.2, 0.4, 0.9)], [(0, 1, 2, 3)])
    shapes = []
    for refined in (mesh, mesh.refined(2), mesh.refined(4)):
        longest = np.linalg.norm(np.diff(refined.points[refined.edges], axis=1), axis=2).max()
        shapes.append(refined.areas.min() / longest**3)
    assert shapes[2] == pytest.approx(shapes[1], rel=1e-9)
    assert shapes[1] > 0.4 * shapes[0]


def test_a_ball_has_its_volume_and_its_sphere() -> None:
    errors = []
    for refinement in (2, 3):
        ball = Mesh.ball(2.0, (1.0, 0.0, -1.0), refinement)
        assert np.linalg.norm(ball.points[ball.boundary] - [1, 0, -1], axis=1) == pytest.approx(2)
        assert ball.areas.min() > 0.1 * ball.areas.max()
        errors.append(4 * np.pi / 3 * 8 - ball.areas.sum())
    assert 3.5 < errors[0] / errors[1] < 4.5


def minimal_in_space(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The catenoid of space: flux (c / r)^2 along the radius, c = 1/2, as a height over r >= 0.8."""
    radii = np.sqrt(x**2 + y**2 + z**2)
    nodes, weights = np.polynomial.legendre.leggauss(24)
    at = 0.8 + (radii - 0.8)[..., None] * (nodes + 1) / 2
    flux = (0.5 / at) ** 2
    return (radii - 0.8) / 2 * ((flux / np.sqrt(1 - flux**2)) @ weights)


def test_a_radial_film_in_space_has_second_order() -> None:
    assert minimal_in_space(*np.array([[1.2], [0.0], [0.0]]))[0] == pytest.approx(
        quad(lambda r: (0.25 / r**2) / np.sqrt(1 - 0.0625 / r**4), 0.8, 1.2)[0]
    )
    errors = []
    for cells in (4, 8):
        mesh = Mesh.box((0.6, 1.2), (0.6, 1.2), (0.6, 1.2), cells=cells)
        film = solve_dirichlet(mesh, boundary=minimal_in_space)
        wrong = film.u - minimal_in_space(*mesh.points.T)
        errors.append(np.sqrt(mesh.areas @ (wrong[mesh.triangles] ** 2).mean(axis=1)))
    assert 1.6 < np.log2(errors[0] / errors[1]) < 2.4
    assert errors[1] < 1e-5


def test_a_cap_in_space_carries_three_over_its_radius() -> None:
    ball = Mesh.ball(refinement=3)
    film = solve_dirichlet(ball, boundary=0.0, measure=density(1.5))
    assert film.u.min() == pytest.approx(np.sqrt(3) - 2, abs=1e-2)
    assert film.measure.mass(disc=((0, 0, 0), 0.5)) == pytest.approx(1.5 * 4 / 3 * np.pi / 8, rel=0.03)


def test_a_cap_on_the_line() -> None:
    line = Mesh.interval(-1, 1, cells=64)
    film = solve_dirichlet(line, boundary=0.0, measure=density(0.5))
    assert film.u == pytest.approx(np.sqrt(3) - np.sqrt(4 - line.points[:, 0] ** 2), abs=1e-4)


L_SHAPE = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]
ELLIPSE = [(2 * np.cos(t), np.sin(t)) for t in np.linspace(0, 2 * np.pi, 60, endpoint=False)]


@pytest.mark.parametrize("corners", [L_SHAPE, L_SHAPE[::-1], ELLIPSE, [(0, 0), (1, 0), (0.2, 0.1)]])
def test_polygons_are_filled(corners: list[tuple[float, float]]) -> None:
    mesh = Mesh.polygon(corners, size=0.1)
    x, y = np.array(corners).T
    assert mesh.areas.sum() == pytest.approx(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)
    sides = np.diff(np.vstack([corners, corners[:1]]), axis=0)
    assert mesh.perimeter == pytest.approx(np.linalg.norm(sides, axis=1).sum())
    assert np.linalg.norm(np.diff(mesh.points[mesh.edges], axis=1), axis=2).max() < 0.2


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0.4, 1.0), min_size=5, max_size=12))
def test_star_shaped_polygons_are_filled(radii: list[float]) -> None:
    angle = 2 * np.pi * np.arange(len(radii)) / len(radii)
    corners = np.array(radii)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    x, y = corners.T
    mesh = Mesh.polygon(corners, size=0.2)
    assert mesh.areas.sum() == pytest.approx((x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        ([(0, 0), (1, 1), (1, 0), (0, 1)], r"side 1, from \(0, 0\) to \(1, 1\), and side 3"),
        ([(0, 0), (2, 0), (1, 0), (1, 1)], r"side 1.*and side 2, from \(2, 0\) to \(1, 0\)"),
        ([(0, 0), (2, 0), (2, 2), (1, 0), (0, 2)], "touches itself"),
        ([(0, 0), (1, 0)], "three corners"),
        ([(0, 0), (1, 0), (1, 0), (0, 1)], "no two neighbours at one place"),
        ([(0, 0, 0), (1, 0, 0), (0, 1, 0)], r"corners \(K, 2\)"),
    ],
)
def test_polygons_that_cross_themselves_are_named(corners: list[tuple[float, ...]], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Mesh.polygon(corners)


def test_a_cell_turned_inside_out_is_named_with_its_place() -> None:
    mesh = Mesh.rectangle(cells=4)
    points = mesh.points.copy()
    points[np.argmin(np.linalg.norm(points - 0.5, axis=1))] = (0.9, 0.5)  # across its neighbour
    with pytest.raises(ConfigurationError, match=r"overlap at \(.*inside out"):
        Mesh(points, mesh.triangles)
    with pytest.raises(ConfigurationError, match=r"3 cells share one face, at \(0\.5, 0\)"):
        Mesh([(0, 0), (1, 0), (0, 1), (0, -1), (1, 1)], [(0, 1, 2), (0, 1, 3), (0, 1, 4)])
    with pytest.raises(ConfigurationError, match="overlap at"):
        Mesh([[0.0], [1.0], [0.5]], [(0, 1), (1, 2)])


def test_meshes_are_written_and_read_as_json(tmp_path: Path) -> None:
    mesh = Mesh.disc(refinement=2)
    path = mesh.write(tmp_path / "new" / "disc.json", u=mesh.points[:, 0])
    again = Mesh.read(path)
    assert again.points == pytest.approx(mesh.points)
    assert (again.triangles == mesh.triangles).all()
    assert [file.name for file in path.parent.iterdir()] == ["disc.json"]
    with pytest.raises(ConfigurationError, match="'u' has 3 values"):
        mesh.write(tmp_path / "wrong.json", u=np.zeros(3))


def test_meshes_are_written_and_read_through_meshio(tmp_path: Path) -> None:
    mesh = Mesh.box((0, 1), (0, 1), (0, 1), cells=2)
    if importlib.util.find_spec("meshio") is None:
        with pytest.raises(MissingExtraError, match=r"mezzofanti\[curvature\]"):
            mesh.write(tmp_path / "box.vtu")
        return
    names = {"mesh.vtu", "mesh.xdmf"} if importlib.util.find_spec("h5py") else {"mesh.vtu"}
    for made in (Mesh.interval(cells=4), Mesh.disc(refinement=2), mesh):
        for name in names:
            again = Mesh.read(made.write(tmp_path / name, u=made.points[:, 0]))
            assert again.dimension == made.dimension
            assert again.areas.sum() == pytest.approx(made.areas.sum())
    assert {path.name for path in tmp_path.iterdir()} == names
    (tmp_path / "none.vtu").write_text("nothing")
    with pytest.raises(DataError, match="no mesh that meshio reads"):
        Mesh.read(tmp_path / "none.vtu")
