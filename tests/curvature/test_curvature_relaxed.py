"""Where films leave their boundary values: against the catenoid's limit, and where they must not."""

from __future__ import annotations

import numpy as np
import pytest

from mezzofanti.curvature import Film, Mesh, density, on_curve, solve_dirichlet, trace
from mezzofanti.curvature.fields import Field
from mezzofanti.curvature.newton import Newton, boundary_shares

INNER, OUTER = 0.5, 1.0
LIMIT = INNER * np.arccosh(OUTER / INNER)  # the catenoid that is vertical on the inner circle


def ring(around: int, across: int) -> Mesh:
    """The ring between two circles."""
    radius, angle = np.linspace(INNER, OUTER, across + 1), 2 * np.pi * np.arange(around) / around
    points = np.stack(
        [np.multiply.outer(radius, np.cos(angle)), np.multiply.outer(radius, np.sin(angle))], axis=-1
    )
    row, column = np.meshgrid(np.arange(across), np.arange(around), indexing="ij")
    a, b = (row * around + column).ravel(), (row * around + (column + 1) % around).ravel()
    return Mesh(
        points.reshape(-1, 2),
        np.vstack([np.stack([a, b, b + around], 1), np.stack([a, b + around, a + around], 1)]),
    )


def lifted(height: float):  # type: ignore[no-untyped-def]
    return lambda x, y: height * (np.hypot(x, y) < 0.75)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.98])
def test_a_ring_below_the_catenoids_limit_is_attained(share: float) -> None:
    film = solve_dirichlet(ring(48, 8), boundary=lifted(share * LIMIT))
    assert film.outcome == "attained"
    assert film.detached.largest == 0
    assert film.u.max() == share * LIMIT


@pytest.mark.parametrize("share", [1.05, 1.5, 3.0])
def test_a_ring_above_it_leaves_the_inner_circle_by_the_difference(share: float) -> None:
    mesh = ring(48, 8)
    film = solve_dirichlet(mesh, boundary=lifted(share * LIMIT))
    assert film.outcome == "detached"
    assert set(film.detached.nodes) == set(range(48))
    assert len(film.detached.faces) == 48
    assert film.detached.size == pytest.approx(2 * np.pi * INNER, rel=1e-2)
    assert (film.detached.jumps < 0).all()
    assert -film.detached.jumps == pytest.approx((share - 1) * LIMIT, abs=0.01)
    radius = np.hypot(*mesh.points.T)
    exact = INNER * (np.arccosh(OUTER / INNER) - np.arccosh(np.maximum(radius / INNER, 1)))
    assert np.abs(film.u - exact)[radius > 0.6].max() < 0.03


def jagged_hole(cells: int, inner: float) -> Mesh:
    """The squares of a grid whose centroids lie between two circles: steps on both sides."""
    whole = Mesh.rectangle((-1, 1), (-1, 1), cells=cells)
    radius = np.hypot(*whole.centroids.T)
    kept = whole.triangles[(radius > inner) & (radius < 1)]
    used, corners = np.unique(kept, return_inverse=True)
    return Mesh(whole.points[used], corners.reshape(kept.shape))


def pull_of(film: Film, values: Field) -> float:
    held = np.zeros(len(film.u))
    rim = film.mesh.boundary
    held[rim] = values(*film.mesh.points[rim].T)
    newton = Newton(film.mesh, film.prescribed, held, relaxed=True, tolerance=1e-10, max_steps=1)
    return float(np.abs(newton.pull(film.u)).max())


@pytest.mark.parametrize(("height", "outcome"), [(0.3, "attained"), (0.5, "detached")])
def test_a_film_at_a_jagged_hole_is_attained_only_if_it_need_not_pull_harder_than_its_tension(
    height: float, outcome: str
) -> None:
    # Held, the higher one pulls 1.27 times as hard as a film can; what it lets go by one cell could hide.
    film = solve_dirichlet(jagged_hole(24, 0.4), boundary=lifted(height))
    assert film.outcome == outcome
    assert pull_of(film, lifted(height)) <= 1 + 1e-6
    assert (film.detached.largest > 0) == (outcome == "detached")


@pytest.mark.parametrize(("load", "outcome"), [(0.0, "attained"), (1.2, "detached")])
def test_a_step_in_the_values_of_a_straight_side_holds_without_a_load_only(load: float, outcome: str) -> None:
    # Rado: over a convex domain every minimal film attains its values. Serrin: no straight side under a load does.
    mesh = Mesh.rectangle((0, 2), (0, 1), cells=(16, 8))
    film = solve_dirichlet(mesh, density(load), lambda x, y: 1.0 * (x > 1.01))
    assert film.outcome == outcome


def test_where_there_is_no_room_for_a_finer_look_the_coarser_mesh_has_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trace, "MOST", 0)
    mesh, values = ring(48, 8), lifted(0.98 * LIMIT)
    assert solve_dirichlet(mesh, boundary=values).outcome == "undecided"
    assert solve_dirichlet(mesh.refined(), boundary=values).outcome == "attained"


def test_the_relaxed_film_does_not_know_how_far_its_values_are() -> None:
    near, far = (solve_dirichlet(ring(24, 4), boundary=lifted(k * LIMIT)) for k in (1.5, 50.0))
    assert far.u == pytest.approx(near.u, abs=1e-9)


def test_a_convex_domain_without_a_load_keeps_steep_values() -> None:
    # Rado: over a convex domain every continuous boundary value is attained by a minimal graph.
    film = solve_dirichlet(Mesh.disc(refinement=4), boundary=lambda x, y: 2 * x * y)
    assert film.outcome == "attained"


def test_a_square_near_its_limit_hangs_off_the_middles_of_its_sides() -> None:
    film = solve_dirichlet(Mesh.rectangle(cells=16), density(3.65))
    assert film.outcome == "detached"
    assert (film.detached.jumps < 0).all()
    at = film.mesh.points[film.detached.nodes]
    assert np.abs(at - 0.5).min(axis=1).max() < 0.4  # nothing near the corners
    assert 0.02 < film.detached.largest < 0.3
    assert solve_dirichlet(Mesh.rectangle(cells=16), density(2.5)).outcome == "attained"


def test_a_held_film_that_pulls_too_hard_is_undecided() -> None:
    mesh = ring(24, 4)
    assert solve_dirichlet(mesh, boundary=lifted(3 * LIMIT), relaxed=False).outcome == "undecided"
    gentle = solve_dirichlet(mesh, boundary=lifted(0.5 * LIMIT), relaxed=False)
    assert gentle.outcome == "attained"
    assert gentle.u == pytest.approx(solve_dirichlet(mesh, boundary=lifted(0.5 * LIMIT)).u, abs=1e-9)


def test_no_other_film_has_less_relaxed_energy() -> None:
    mesh, noise = ring(24, 4), np.random.default_rng(0)
    held = np.zeros(len(mesh.points))
    held[:24] = 2 * LIMIT
    load = (density(0.4) + on_curve([(0.6, 0.0), (0.9, 0.1)], 0.5)).load(mesh)
    newton = Newton(mesh, load, held, relaxed=True, tolerance=1e-12, max_steps=60)
    u = newton.run(held)
    assert (u != held)[:24].all()
    for size in (1e-4, 1e-2, 1.0):
        for _ in range(10):
            other = u + size * noise.standard_normal(len(u))
            assert newton._change(u, other) > 0


@pytest.mark.parametrize(
    "mesh", [Mesh.interval(0, 2, cells=4), Mesh.rectangle(cells=3), Mesh.ball(refinement=1)]
)
def test_the_boundarys_size_is_shared_out_among_its_nodes(mesh: Mesh) -> None:
    shares = boundary_shares(mesh)
    assert shares.sum() == pytest.approx(mesh.perimeter)
    assert (shares[mesh.interior] == 0).all()


def test_on_a_line_and_in_space_films_are_held() -> None:
    assert solve_dirichlet(Mesh.interval(cells=16), density(1.5)).outcome == "attained"
    steep = solve_dirichlet(Mesh.ball(refinement=2), density(1.0), lambda x, y, z: 0.2 * x)
    assert steep.outcome in ("attained", "undecided")
    assert (steep.u[steep.mesh.boundary] == 0.2 * steep.mesh.points[steep.mesh.boundary, 0]).all()


@pytest.mark.parametrize("steepness", [0.2, 20.0])
@pytest.mark.parametrize("turn", [1.0, 4.0])
def test_steep_values_under_a_heavy_load_end_in_an_outcome(steepness: float, turn: float) -> None:
    mesh = Mesh.disc(refinement=3)
    load = density(lambda x, y: 0.7 * (1 + 0.8 * np.sin(2 * x + y))) + on_curve(
        [(-0.3, 0.1), (0.4, -0.2)], 0.8
    )
    film = solve_dirichlet(mesh, load, lambda x, y: steepness * np.sin(turn * x + y))
    assert film.outcome in ("attained", "detached")
    assert film.mismatch < 1e-9
    held = np.zeros(len(mesh.points))
    held[mesh.boundary] = steepness * np.sin(mesh.points[mesh.boundary] @ [turn, 1.0])
    pull = Newton(mesh, film.prescribed, held, relaxed=True, tolerance=1e-10, max_steps=1).pull(film.u)
    assert np.abs(pull).max() < 1 + 1e-6 or film.outcome == "attained"
