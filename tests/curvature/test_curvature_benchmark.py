"""The benchmark: its references, its drawings, and that a small run writes what it promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.curvature import critical, plan, problems, robustness
from benchmarks.curvature.measure import unrelated_mesh
from benchmarks.curvature.plan import run
from benchmarks.curvature.table import tables
from scipy.ndimage import distance_transform_edt
from scipy.optimize import brentq

from mezzofanti.curvature import critical_load, exact, solve_dirichlet
from mezzofanti.files import read_json

SIDE = 600


def inner_set_constant(inside: np.ndarray, spacing: float) -> float:
    """1 / r where as much area lies r or more away from the outside as a disc of radius r has: by counting pixels."""
    away = distance_transform_edt(np.pad(inside, 1)) * spacing
    return 1 / brentq(lambda r: (away >= r).sum() * spacing**2 - np.pi * r**2, 0.05, 0.6)


def test_references_are_those_of_counted_pixels() -> None:
    at = (np.arange(SIDE) + 0.5) / SIDE
    x, y = np.meshgrid(2 * at - 1, 2 * at - 1)
    for short in (0.4, 0.5, 0.8):
        counted = inner_set_constant(x**2 + (y / short) ** 2 < 1, 2 / SIDE)
        assert critical.ellipse_constant(1.0, short) == pytest.approx(counted, rel=3e-3)
    assert critical.ellipse_constant(1.0, 1.0) == pytest.approx(2.0)
    x, y = np.meshgrid(2 * at, 2 * at)
    assert critical.l_shape_constant() == pytest.approx(
        inner_set_constant(~((x > 1) & (y > 1)), 2 / SIDE), rel=5e-3
    )
    square = inner_set_constant(np.ones((SIDE, SIDE), dtype=bool), 1 / SIDE)
    assert square == pytest.approx(2 + np.sqrt(np.pi), rel=5e-3)


def test_the_l_shape_is_three_squares() -> None:
    mesh = critical.l_shape(8)
    assert mesh.areas.sum() == pytest.approx(3.0)
    assert mesh.perimeter == pytest.approx(8.0)


@pytest.mark.parametrize("number", [1, 2])
def test_a_radial_problem_knows_its_film_and_its_critical_load(number: int) -> None:
    problem = problems.radial_problem(number, over=False)
    film = solve_dirichlet(problem.mesh, problem.load, problem.boundary)
    assert problem.height is not None
    truth = np.asarray(problem.height(1.0)(*problem.mesh.points.T))
    assert film.u == pytest.approx(truth, abs=0.03 * np.ptp(truth) + 1e-12)
    assert critical_load(problem.mesh, problem.load).value == pytest.approx(1 / problem.share, rel=0.02)


@pytest.mark.parametrize("number", [107, 182])
def test_films_under_thin_annuli_and_rings_near_the_rim_are_right(number: int) -> None:
    # An annulus a fifth of a cell wide; a ring that runs between two lines of the disc's mesh.
    end = robustness._drawn_and_solved("radial", number)
    assert end["right"], end


def test_the_reference_for_a_bump_on_few_cells_is_below_what_a_region_proves() -> None:
    problem = problems.general_problem(198, over=False)
    assert len(problem.mesh.points) == 81
    found = critical_load(problem.mesh.refined(2), problem.load)
    assert 1 <= 1 / problem.share <= found.upper
    assert robustness._end(problem)["right"]


def test_problems_are_small_and_the_same_each_time() -> None:
    for number in (0, 3):
        one, other = (problems.general_problem(number, over=number == 0) for _ in range(2))
        assert problems.few_enough(one)
        assert (one.share > 1) == (number == 0)
        assert one.load.load(one.mesh) == pytest.approx(other.load.load(other.mesh), rel=0, abs=0)
        assert (one.mesh.points == other.mesh.points).all()


def test_an_error_that_is_not_ours_counts_as_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("no")

    monkeypatch.setattr(robustness, "solve_dirichlet", broken)
    found = robustness.items(small=True)["radial_0"]()
    assert found["tracebacks"] == found["problems"] == 2
    assert found["right"] == 0
    assert "ZeroDivisionError" in found["wrong"][0]["said"]


def test_the_unrelated_mesh_has_no_line_on_a_kink() -> None:
    mesh = unrelated_mesh(16)
    known = exact.kink(1.0)
    sides = np.sign(mesh.points[mesh.triangles][..., 0])
    crossed = np.abs(sides.sum(axis=1)) < 3
    assert crossed.sum() > 20
    assert (np.abs(mesh.points[mesh.interior, 0]) > 1e-9).all()
    assert known.measure.mass(box=((-0.5, 0.5), (-0.5, 0.5))) == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize("part", ["orders", "measure", "critical", "time", "robustness"])
def test_a_small_run_writes_what_it_promises_and_goes_on_where_it_was(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = plan.PARTS[part].items(small=True)
    few = dict(list(items.items())[:2] if part in ("orders", "measure") else items.items())
    monkeypatch.setattr(plan.PARTS[part], "items", lambda small: few)
    found = run([part], small=True, folder=tmp_path)
    assert found == read_json(tmp_path / "curvature-small.json")
    promised = {
        "orders": ["orders"],
        "measure": ["measure"],
        "critical": ["critical_load"],
        "time": ["seconds", "speedup_over_scikit_fem"],
        "robustness": ["robustness"],
    }
    assert set(promised[part]) <= set(found)
    assert tables(found).count("|") > 10
    assert found["circumstances"][part]["machine"]["cores"]
    if part == "critical":
        for shape in ("square", "disc", "ellipse", "l_shape"):
            assert found["critical_load"][shape]["value"] == pytest.approx(
                found["critical_load"][shape]["reference"], rel=0.05
            )
    if part == "robustness":
        assert found["robustness"]["problems"] == found["robustness"]["right"] == 4
    monkeypatch.setattr(plan.PARTS[part], "items", lambda small: dict.fromkeys(few, _never))
    assert run([part], small=True, folder=tmp_path)["measured"] == found["measured"]


def _never() -> None:
    raise AssertionError("an item was measured twice")
