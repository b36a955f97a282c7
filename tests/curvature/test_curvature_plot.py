"""Pictures: level, steep, loaded or not, each is drawn, and its lines lie where they belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mezzofanti.curvature import Film, Mesh, critical_load, density, on_curve, solve_dirichlet
from mezzofanti.curvature.plot import _level_lines, _stretch, _walls, _wires, draw_film
from mezzofanti.errors import ConfigurationError

WIRE = on_curve([(-0.4, 0.1), (0.5, 0.2)], 0.8)
FILMS = {
    "level": lambda mesh: solve_dirichlet(mesh, boundary=0.7),
    "shallow": lambda mesh: solve_dirichlet(mesh, 0.0, density(0.01)),
    "deep": lambda mesh: solve_dirichlet(mesh, lambda x, y: 3.0 * x, WIRE + WIRE * 0.5),
}


def film(name: str) -> Film:
    return FILMS[name](Mesh.disc(refinement=3))


@pytest.mark.parametrize("name", FILMS)
def test_each_kind_of_film_is_drawn(name: str, tmp_path: Path) -> None:
    path = draw_film(film(name), tmp_path / "new" / "film.png", title="A title", dots_per_inch=40)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [entry.name for entry in path.parent.iterdir()] == ["film.png"]


def test_shallow_films_are_stretched_deep_ones_pressed_and_level_ones_left() -> None:
    assert _stretch(film("level")) == 1
    assert _stretch(film("shallow")) > 10
    assert _stretch(film("deep")) < 1


def test_level_lines_lie_on_the_film_at_their_height() -> None:
    # Over a plane the level lines are straight, as long as the chords they follow.
    plane = solve_dirichlet(Mesh.rectangle((-1, -1), (1, 1), 8), boundary=lambda x, y: 0.5 * x)
    starts, ends = _level_lines(plane)
    assert starts[:, 2] == pytest.approx(0.5 * starts[:, 0], abs=1e-12)
    assert starts[:, 2] == pytest.approx(ends[:, 2], abs=1e-12)
    assert len(np.unique(starts[:, 2].round(9))) == 14
    assert np.linalg.norm(ends - starts, axis=1).sum() == pytest.approx(14 * 2)


def test_wires_lie_on_the_film() -> None:
    deep = film("deep")
    starts, ends = _wires(deep)
    length = deep.load.curves[0].length()
    assert np.linalg.norm((ends - starts)[:, :2], axis=1).sum() == pytest.approx(2 * length)
    assert deep.u.min() <= starts[:, 2].min() < ends[:, 2].max() <= deep.u.max()


def test_walls_join_the_film_to_the_values_it_left() -> None:
    hanging = solve_dirichlet(Mesh.rectangle(cells=16), density(3.65))
    starts, ends = _walls(hanging)
    assert len(starts) == len(hanging.detached.nodes) > 0
    assert starts[:, 2] == pytest.approx(hanging.u[hanging.detached.nodes])
    assert (ends[:, 2] > starts[:, 2]).all()


def test_the_worst_set_is_drawn(tmp_path: Path) -> None:
    path = critical_load(Mesh.disc(refinement=3), WIRE).plot(tmp_path / "worst.png", title="A title")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_what_is_not_plane_is_not_drawn(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="dimension 1"):
        draw_film(solve_dirichlet(Mesh.interval(cells=4), density(0.5)), tmp_path / "film.png")


@pytest.mark.parametrize("name", ["film", "film.foo"])
def test_a_picture_of_no_known_kind_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="has no ending that says") as caught:
        draw_film(film("level"), tmp_path / "new" / name)
    assert ".png" in caught.value.cure
    assert not (tmp_path / "new").exists()
