"""Seconds against unknowns, and against other ways to solve the same problem, in turns within one run.

The problem: the unit square under half its critical load, with wavy boundary values. Time runs from a mesh that was
just made to heights, with everything that is computed on demand in it; making the meshes is shown apart. The check of
the load, which only ours makes, is in `seconds` and shown apart; the comparisons leave it out on both sides and show
ours with it too. All single-threaded but NGSolve, which takes all cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from benchmarks.curvature.rivals import plain_scikit_fem, scikit_fem_heights, scikit_fem_meshes
from mezzofanti.curvature import Mesh, density, solve_dirichlet
from mezzofanti.curvature.engine import engine_heights, engine_is_installed
from mezzofanti.curvature.mesh import Floats

__all__ = ["items", "summary"]

LOAD = (2 + np.sqrt(np.pi)) / 2
TOLERANCE = 1e-10
NGSOLVE_ABSENT = "NGSolve is not installed here"
Timed = tuple[float, Floats]


def boundary(x: Any, y: Any) -> Any:
    """Wavy boundary values."""
    return 0.25 * np.sin(3 * x + 1) * np.cos(2 * y)


def items(small: bool) -> dict[str, Callable[[], Any]]:
    """Return sizes and comparisons."""
    sizes = {16: 2} if small else {128: 5, 256: 5, 512: 3, 1024: 2}
    jobs: dict[str, Callable[[], Any]] = {
        f"scale_{(cells - 1) ** 2}": partial(_scale, cells, times) for cells, times in sizes.items()
    }
    for cells, plain in {16: True}.items() if small else {256: True, 512: False}.items():
        jobs[f"rivals_{(cells - 1) ** 2}"] = partial(_rivals, cells, 1 if small else 3, plain=plain)
    return jobs


def summary(measured: dict[str, Any]) -> dict[str, Any]:
    """Return seconds by unknowns, how far from linear, and the ratios to others."""
    scale = {name.split("_")[1]: found for name, found in measured.items() if name.startswith("scale_")}
    rivals = {name.split("_")[1]: found for name, found in measured.items() if name.startswith("rivals_")}
    seconds = {unknowns: found["seconds"] for unknowns, found in scale.items()}
    said: dict[str, Any] = {
        "seconds": seconds,
        "seconds_apart": {
            unknowns: {key: found[key] for key in ("check", "solve", "mesh")}
            for unknowns, found in scale.items()
        },
        "speedups": {unknowns: found["speedups"] for unknowns, found in rivals.items()},
    }
    if len(seconds) > 1:
        first, last = min(seconds, key=int), max(seconds, key=int)
        said["times_linear"] = seconds[last] / seconds[first] / (int(last) / int(first))
    if rivals:
        said["speedup_over_scikit_fem"] = rivals[max(rivals, key=int)]["speedups"]["scikit_fem_nested_amg"]
    return said


def _scale(cells: int, times: int) -> dict[str, Any]:
    runs = []
    for _ in range(times):
        started = time.perf_counter()
        mesh = Mesh.rectangle(cells=cells)
        made = time.perf_counter()
        film = solve_dirichlet(mesh, density(LOAD), boundary, tolerance=TOLERANCE)
        ended = time.perf_counter()
        assert film.admission is not None
        check = film.admission.seconds
        runs.append(
            {"mesh": made - started, "check": check, "solve": ended - made - check, "seconds": ended - made}
        )
    finest = [vars(step) for step in film.history if step.nodes == len(mesh.points)]
    middle = {key: median(run[key] for run in runs) for key in runs[0]}
    return middle | {"outcome": film.outcome, "runs": runs, "steps_on_finest": finest}


def _rivals(cells: int, times: int, *, plain: bool) -> dict[str, Any]:
    """Time them in turns, `times` over, and say how far their heights are from ours."""
    runs: dict[str, Callable[[], Timed]] = {
        "ours": lambda: _ours(cells, check=False),
        "ours_with_check": lambda: _ours(cells, check=True),
        "scikit_fem_nested_amg": lambda: _scikit_fem(cells),
    }
    if plain:
        runs["scikit_fem_direct"] = lambda: _plain(cells)
    if engine_is_installed():
        runs["ngsolve"] = lambda: _ngsolve(cells)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    heights: dict[str, Floats] = {}
    for _ in range(times):
        for name, run in runs.items():
            spent, u = run()
            seconds[name].append(spent)
            heights[name] = u
    middle = {name: median(spent) for name, spent in seconds.items()}
    return {
        "speedups": {name: spent / middle["ours"] for name, spent in middle.items() if name[:4] != "ours"},
        "seconds": seconds,
        "largest_difference": {name: float(np.abs(u - heights["ours"]).max()) for name, u in heights.items()},
        "left_out": [] if engine_is_installed() else [NGSOLVE_ABSENT],
    }


def _ours(cells: int, *, check: bool) -> Timed:
    mesh = Mesh.rectangle(cells=cells)
    started = time.perf_counter()
    film = solve_dirichlet(mesh, density(LOAD), boundary, check=check, tolerance=TOLERANCE)
    return time.perf_counter() - started, film.u


def _scikit_fem(cells: int) -> Timed:
    mesh = Mesh.rectangle(cells=cells)
    levels = scikit_fem_meshes(mesh)
    started = time.perf_counter()
    u = scikit_fem_heights(levels, LOAD, boundary, TOLERANCE)
    return time.perf_counter() - started, _in_our_order(u, levels[-1], mesh)


def _plain(cells: int) -> Timed:
    mesh = Mesh.rectangle(cells=cells)
    finest = scikit_fem_meshes(mesh)[-1]
    started = time.perf_counter()
    u = plain_scikit_fem(finest, LOAD, boundary, TOLERANCE)
    return time.perf_counter() - started, _in_our_order(u, finest, mesh)


def _ngsolve(cells: int) -> Timed:
    mesh = Mesh.rectangle(cells=cells)
    started = time.perf_counter()
    u = engine_heights(mesh, density(LOAD), boundary, tolerance=TOLERANCE)
    return time.perf_counter() - started, u


def _in_our_order(u: Floats, theirs: Any, mesh: Mesh) -> Floats:
    ours, other = np.lexsort(mesh.points.round(9).T), np.lexsort(theirs.p.round(9))
    ordered = np.empty_like(u)
    ordered[ours] = u[other]
    return ordered
