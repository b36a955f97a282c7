"""Harnack's quotient, and where it is bounded."""

from __future__ import annotations

import numpy as np
import pytest

from mezzofanti.curvature import Mesh, harnack_quotient, solve_dirichlet
from mezzofanti.curvature.experiments import harnack_growth
from mezzofanti.errors import ConfigurationError


def test_the_quotient_of_known_functions() -> None:
    assert harnack_quotient(lambda x, y: 2 + x, (0, 0), 1.0) == pytest.approx(3, rel=1e-6)
    assert harnack_quotient(lambda x: np.exp(x), 0.0, 0.5) == pytest.approx(np.e)
    assert harnack_quotient(lambda x, y, z: 2 + z, (0, 0, 0), 1.0) == pytest.approx(3, rel=1e-6)
    mesh = Mesh.disc(refinement=4)
    assert harnack_quotient(2 + mesh.points[:, 0], (0, 0), 0.5, mesh=mesh) == pytest.approx(5 / 3, rel=1e-6)
    film = solve_dirichlet(mesh, boundary=lambda x, y: 2 + x)
    assert harnack_quotient(film, (0.1, 0), 0.5) == pytest.approx(2.6 / 1.6, rel=1e-6)


def test_it_is_scale_invariant() -> None:
    mesh, large = Mesh.disc(refinement=4), Mesh.disc(10.0, refinement=4)
    films = [
        solve_dirichlet(m, boundary=lambda x, y, s=s: s * (2 + x * y / s**2))
        for m, s in ((mesh, 1), (large, 10))
    ]
    assert harnack_quotient(films[0], (0, 0), 0.5) == pytest.approx(harnack_quotient(films[1], (0, 0), 5.0))


def test_it_fails_on_a_fixed_half_ball_and_holds_on_the_small_one() -> None:
    rows = harnack_growth((0.1, 1.0, 4.0, 8.0))
    half = [row.on_half for row in rows]
    assert half == sorted(half)
    assert half[0] == pytest.approx(4.6, rel=0.02)
    assert half[3] > 2 * half[2] > 4 * half[1]  # linear in K: no bound
    assert rows[3].middle < 1  # although u(0) is bounded
    assert max(row.on_eighth for row in rows) < 2.5


def test_it_holds_where_heights_are_small_against_the_radius() -> None:
    # Below a height of a tenth of the radius the film is nearly harmonic: (1 + t)/(1 - t) squared bounds the quotient.
    mesh, random = Mesh.disc(refinement=4), np.random.default_rng(1)
    for _ in range(5):
        a, b, c = random.uniform(0, 1, 3)
        film = solve_dirichlet(
            mesh, boundary=lambda x, y, a=a, b=b, c=c: 0.1 * (a * (x > b) + c * (y < -b) + 0.01)
        )
        assert harnack_quotient(film, (0, 0), 0.25) < (1.25 / 0.75) ** 2 * 1.05


@pytest.mark.parametrize(
    ("u", "center", "radius", "said"),
    [
        (lambda x, y: x, (0, 0), 0.5, "u falls to -0.5"),
        (lambda x, y: 2 + x, (0, 0), -1.0, "empty"),
        (np.ones(61), (0, 0), 0.5, "need their mesh"),
    ],
)
def test_what_has_no_quotient_is_refused(
    u: object, center: tuple[float, float], radius: float, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        harnack_quotient(u, center, radius)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="outside the mesh"):
        harnack_quotient(np.ones(61), (0, 0), 2.0, mesh=Mesh.disc(refinement=2))
