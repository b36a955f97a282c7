"""How fast films tend to exact surfaces: orders in L2 and in the H1-seminorm, by unknowns^(-1/n)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.curvature.errors import errors, length, rate
from mezzofanti.curvature import Film, Mesh, exact, fit_mesh, on_curve, solve_dirichlet
from mezzofanti.curvature.adaptive import Level, solve_adaptively
from mezzofanti.curvature.exact import Known
from mezzofanti.curvature.measures import Measure, density

__all__ = ["items", "summary"]

Interval = tuple[float, float]
SMOOTH: dict[str, tuple[Known, Interval, Interval]] = {
    "scherk": (exact.scherk(), (-1.2, 1.2), (-1.2, 1.2)),
    "catenoid": (exact.catenoid(1.0), (0.9, 1.9), (0.9, 1.9)),
    "helicoid": (exact.helicoid(), (0.5, 1.5), (-0.5, 0.5)),
    "delaunay": (exact.delaunay(0.8, 0.2, 2.0), (0.4, 1.2), (0.4, 1.2)),
}
SEEDS = range(5)
SLOPES = (1.0, 3.0)
REACH = 3.0  # Half the length of a drawn kink: it leaves the square at both ends.


def items(small: bool) -> dict[str, Callable[[], Any]]:
    """Return the cases."""
    linear, quadratic = ((4, 8, 16), (4, 8)) if small else ((16, 32, 64, 128, 256), (8, 16, 32, 64, 128))
    jobs: dict[str, Callable[[], Any]] = {}
    for name in SMOOTH:
        jobs[f"{name}_p1"] = partial(_smooth, name, linear, degree=1)
        jobs[f"{name}_p2"] = partial(_smooth, name, quadratic, degree=2)
    jobs["cap_3d"] = lambda: _cap((2, 4) if small else (4, 8, 16, 32))
    jobs["kink_on_mesh_line"] = lambda: _aligned((4, 8) if small else (16, 64, 256))
    seeds = SEEDS[:1] if small else SEEDS
    jobs["kink_fitted"] = lambda: [_fitted(seed, 8 if small else 64) for seed in seeds]
    jobs["kink_uniform"] = lambda: _uniform(0, linear)
    for seed in seeds:
        jobs[f"kink_adaptive_{seed}"] = partial(_adaptive, seed, 150 if small else 30_000)
    return jobs


def summary(measured: dict[str, Any]) -> dict[str, Any]:
    """Return the orders; for kinks that are exact, the largest error."""
    cases = {}
    for name, found in measured.items():
        if name == "kink_fitted":
            cases[name] = {
                "l2": None,
                "h1": None,
                "largest_error": max(one["largest_error"] for one in found),
            }
        else:
            cases[name] = {key: found[key] for key in ("l2", "h1", "largest_error") if key in found}
    return {"orders": cases}


def _smooth(name: str, cells: Sequence[int], *, degree: int) -> dict[str, Any]:
    known, x, y = SMOOTH[name]
    levels = []
    for count in cells:
        mesh = Mesh.rectangle(x, y, cells=count)
        film = solve_dirichlet(mesh, known.measure, known.height, degree=degree)
        levels.append(_level(film, known.height, count))
    return _orders(levels)


def _cap(cells: Sequence[int]) -> dict[str, Any]:
    """The lower half of the unit sphere in space, of density 3 / R with R = 1, where r < 0.87."""
    side = (-0.5, 0.5)

    def height(x: Any, y: Any, z: Any) -> Any:
        return -np.sqrt(1 - x**2 - y**2 - z**2)

    films = [
        (count, solve_dirichlet(Mesh.box(side, side, side, cells=count), density(3.0), height))
        for count in cells
    ]
    return _orders([_level(film, height, count) for count, film in films])


def _aligned(cells: Sequence[int]) -> dict[str, Any]:
    largest = 0.0
    for slope in (1.0, 5.0):
        known = exact.kink(slope)
        for count in cells:
            mesh = Mesh.rectangle((-1, 1), (-1, 1), cells=count)
            film = solve_dirichlet(mesh, known.measure, known.height)
            largest = max(largest, float(np.abs(film.u - np.asarray(known.height(*mesh.points.T))).max()))
    return {"l2": None, "h1": None, "largest_error": largest, "cells": list(cells)}


def _fitted(seed: int, count: int) -> dict[str, Any]:
    height, measure, slope, angle = turned_kink(seed)
    mesh = fit_mesh(Mesh.rectangle((-1, 1), (-1, 1), cells=count), measure)
    film = solve_dirichlet(mesh, measure, height)
    wrong = float(np.abs(film.u - height(*mesh.points.T)).max())
    return {"slope": slope, "angle": angle, "largest_error": wrong}


def _uniform(seed: int, cells: Sequence[int]) -> dict[str, Any]:
    height, measure, slope, angle = turned_kink(seed)
    levels = []
    for count in cells:
        film = solve_dirichlet(Mesh.rectangle((-1, 1), (-1, 1), cells=count), measure, height)
        levels.append(_level(film, height, count))
    return _orders(levels, last=3) | {"slope": slope, "angle": angle}


def _adaptive(seed: int, nodes: int) -> dict[str, Any]:
    """The order is fitted to all meshes of more than a hundred nodes."""
    height, measure, slope, angle = turned_kink(seed)
    levels: list[dict[str, Any]] = []

    def note(_: Level, film: Film) -> None:
        levels.append(_level(film, height))

    solve_adaptively(Mesh.rectangle((-1, 1), (-1, 1), cells=8), height, measure, nodes=nodes, on_level=note)
    last = sum(level["unknowns"] > 100 for level in levels)
    return _orders(levels, last=max(last, 2)) | {"slope": slope, "angle": angle}


def turned_kink(seed: int) -> tuple[Callable[..., Any], Measure, float, float]:
    """Return s |n . x - c| for a random direction and distance, its measure, its slope s and its angle."""
    draw = np.random.default_rng(seed)
    angle, distance = float(draw.uniform(0, np.pi)), float(draw.uniform(-0.3, 0.3))
    slope = SLOPES[seed % len(SLOPES)]
    normal = np.array([np.cos(angle), np.sin(angle)])
    along = REACH * np.array([-normal[1], normal[0]])
    ends = [distance * normal - along, distance * normal + along]

    def height(x: Any, y: Any) -> Any:
        return slope * np.abs(normal[0] * x + normal[1] * y - distance)

    return height, on_curve(ends, 2 * slope / np.hypot(1, slope)), slope, angle


def _level(film: Any, height: Any, cells: int | None = None) -> dict[str, Any]:
    l2, h1 = errors(film, height)
    level = {"unknowns": len(film.mesh.interior), "size": length(film.mesh), "l2": l2, "h1": h1}
    # On grids the spacing itself is 1 / cells; interior nodes would understate it on coarse ones.
    return level if cells is None else level | {"size": 1 / cells}


def _orders(levels: list[dict[str, Any]], last: int = 2) -> dict[str, Any]:
    sizes = [level["size"] for level in levels]
    orders = {norm: rate(sizes, [level[norm] for level in levels], last) for norm in ("l2", "h1")}
    return orders | {"levels": levels}
