"""Measures: load vectors against slow references, masses read from given functions, atoms refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.interpolate import LinearNDInterpolator

from mezzofanti.curvature import Mesh, density, exact, mean_curvature_measure, on_curve
from mezzofanti.curvature.measures import point_mass
from mezzofanti.errors import ConfigurationError

MESHES = {"disc": Mesh.disc(refinement=3), "rectangle": Mesh.rectangle((-1, -1), (1, 1), (5, 4))}
places = st.floats(-0.6, 0.6)


def slow_line_load(mesh: Mesh, start: np.ndarray, end: np.ndarray, node: int) -> float:
    """Integrate one hat function along a segment by adaptive quadrature over many small pieces."""
    corners = [t for t in mesh.triangles if node in t]
    total = 0.0
    for grid in np.linspace(0, 1, 401)[:-1]:
        middle = start + (grid + 1 / 800) * (end - start)
        for triangle in corners:
            basis = np.vstack([mesh.points[triangle].T, np.ones(3)])
            shares = np.linalg.solve(basis, [*middle, 1.0])
            if (shares >= 0).all():
                total += shares[list(triangle).index(node)] / 400
                break
    return total * float(np.linalg.norm(end - start))


@pytest.mark.parametrize("name", MESHES)
def test_line_loads_agree_with_a_slow_reference(name: str) -> None:
    mesh = MESHES[name]
    start, end = np.array([-0.52, -0.31]), np.array([0.47, 0.58])
    load = on_curve([start, end], 1.0).load(mesh)
    touched = np.flatnonzero(load)
    assert len(touched) >= 8
    for node in touched[::3]:
        assert load[node] == pytest.approx(slow_line_load(mesh, start, end, int(node)), abs=2e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(MESHES)), st.lists(st.tuples(places, places), min_size=2, max_size=5, unique=True)
)
def test_line_loads_keep_mass_and_first_moments(name: str, line: list[tuple[float, float]]) -> None:
    # Hat functions sum to 1, and to x when weighted by the nodes' x: exact integration keeps both.
    mesh, points = MESHES[name], np.array(line)
    load = on_curve(line, 1.5).load(mesh)
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    middles = (points[1:] + points[:-1]) / 2
    assert load.sum() == pytest.approx(1.5 * lengths.sum(), abs=1e-9)
    assert load @ mesh.points == pytest.approx(1.5 * lengths @ middles, abs=1e-9)
    assert load.min() >= -1e-10


@pytest.mark.parametrize(
    "line", [[(-1, 0), (1, 0)], [(-1, -1), (1, 1)], [(0, -1), (0, 1)], [(-0.5, 0.5), (0.5, 0.5), (0.5, -0.5)]]
)
def test_lines_along_mesh_edges_are_counted_once(line: list[tuple[float, float]]) -> None:
    mesh = Mesh.rectangle((-1, -1), (1, 1), 4)
    length = np.linalg.norm(np.diff(np.array(line, dtype=float), axis=0), axis=1).sum()
    assert on_curve(line, 1.0).total(mesh) == pytest.approx(length, abs=1e-12)


def test_what_lies_outside_the_domain_carries_nothing() -> None:
    mesh = Mesh.rectangle((-1, -1), (1, 1), 8)
    assert on_curve([(0, 0), (5, 0)], 1.0).total(mesh) == pytest.approx(1.0, abs=1e-10)
    with pytest.raises(ConfigurationError, match="misses the domain"):
        on_curve([(2, 0), (5, 0)], 1.0).load(mesh)


def test_a_varying_line_mass_is_integrated() -> None:
    mesh = Mesh.disc(refinement=4)
    load = on_curve([(-0.5, 0.1), (0.6, 0.1)], lambda x, y: 1 + np.cos(3 * x))
    assert load.total(mesh) == pytest.approx(quad(lambda x: 1 + np.cos(3 * x), -0.5, 0.6)[0], abs=1e-9)


def test_density_loads_are_exact_for_cubics() -> None:
    mesh = Mesh.rectangle((0, 0), (1, 1), 3)
    load = density(lambda x, y: x**3 + x * y**2).load(mesh)
    assert load.sum() == pytest.approx(1 / 4 + 1 / 6, abs=1e-13)
    assert load @ mesh.points[:, 0] == pytest.approx(
        1 / 5 + 1 / 9, abs=1e-13
    )  # times a linear function: degree 4


def test_measures_add_and_scale() -> None:
    mesh = Mesh.disc(refinement=3)
    a, b = density(0.5), on_curve([(0, 0), (0.5, 0.1)], 1.2)
    assert (2 * a + b * 0.5).load(mesh) == pytest.approx(2 * a.load(mesh) + 0.5 * b.load(mesh), abs=1e-14)
    assert (2 * b).curves[0].heaviest() == pytest.approx(2.4)
    assert "1.2" in b.describe()


@pytest.mark.parametrize(
    "make", [lambda: point_mass((0.1, 0.2), 0.5), lambda: on_curve([(0.1, 0.2), (0.1, 0.2)], 1.0)]
)
def test_atoms_are_refused_with_the_reason(make: object) -> None:
    with pytest.raises(ConfigurationError, match=r"point mass at \(0\.1, 0\.2\).*perimeter.*shrinks to 0"):
        make()  # type: ignore[operator]


def test_an_atom_forced_onto_the_mesh_has_no_limit() -> None:
    # The largest mass one node can carry is the variation of its hat, which halves with the mesh size.
    carried = []
    for refinement in (3, 4, 5):
        mesh = Mesh.disc(refinement=refinement)
        hat = (np.hypot(*mesh.points.T) < 1e-12).astype(float)
        slopes = np.einsum("tcx,tc->tx", mesh.hat_gradients, hat[mesh.triangles])
        carried.append(mesh.areas @ np.hypot(*slopes.T))
    assert np.divide(carried[1:], carried[:-1]) == pytest.approx(0.5, abs=0.02)


def test_the_measure_of_a_kink_is_its_mass() -> None:
    known = exact.kink(1.0)
    measure = mean_curvature_measure(Mesh.rectangle((-1, -1), (1, 1), 16), known.height)
    assert measure.in_box((-0.5, -0.5), (0.5, 0.5)) == pytest.approx(np.sqrt(2), abs=1e-12)
    assert measure.in_box((0.1, -0.5), (0.5, 0.5)) == pytest.approx(0, abs=1e-12)


def test_the_measure_of_a_cap_is_two_over_its_radius() -> None:
    measure = mean_curvature_measure(Mesh.disc(refinement=6), exact.cap(2.0).height)
    assert measure.in_disc((0, 0), 0.5) == pytest.approx(np.pi / 4, rel=2e-3)


def test_measures_converge_weakly_to_the_measure_of_the_limit() -> None:
    # u_k = sqrt(x^2 + 1/k^2) tends to |x|; the box |x| <= a, height 1/2, has mass a / sqrt(2 a^2 + 1/k^2).
    mesh = Mesh.rectangle((-0.5, -0.5), (0.5, 0.5), (256, 32))
    measured, a = [], 0.25
    for k in (2, 4, 8, 16, 32, 64):
        measure = mean_curvature_measure(mesh, lambda x, y, k=k: np.sqrt(x**2 + k**-2.0))
        measured.append(measure.in_box((-a, -0.25), (a, 0.25)))
        assert measured[-1] == pytest.approx(a / np.sqrt(2 * a**2 + k**-2.0), abs=2e-5)
    assert measured == sorted(measured)
    assert measured[-1] == pytest.approx(1 / np.sqrt(2), abs=1e-3)


def test_the_measure_follows_a_function_sampled_elsewhere() -> None:
    coarse = Mesh.rectangle((-1, -1), (1, 1), 32)
    sampled = LinearNDInterpolator(coarse.points, exact.cap(2.0).height(*coarse.points.T))
    measure = mean_curvature_measure(Mesh.rectangle((-0.9, -0.9), (0.9, 0.9), 16), lambda x, y: sampled(x, y))
    assert measure.in_box((-0.45, -0.45), (0.45, 0.45)) == pytest.approx(0.81, rel=0.05)


@pytest.mark.parametrize("values", [np.zeros(3), np.inf])
def test_wrong_values_are_refused(values: object) -> None:
    with pytest.raises(ConfigurationError, match="one value a node"):
        mean_curvature_measure(Mesh.disc(refinement=2), values)  # type: ignore[arg-type]
