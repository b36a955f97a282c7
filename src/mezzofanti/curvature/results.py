"""A solved film, written to a folder: each file is whole or absent."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mezzofanti.curvature.film import Film
from mezzofanti.curvature.filmfiles import write_film
from mezzofanti.curvature.page import write_page
from mezzofanti.curvature.plot import draw_film

if TYPE_CHECKING:
    import pyarrow as pa

    from mezzofanti.curvature.admissible import CriticalLoad

__all__ = ["notes", "summary", "write_results"]

NEARLY_VERTICAL = 0.99


def write_results(
    film: Film,
    folder: Path,
    problem: dict[str, Any],
    title: str = "",
    critical: CriticalLoad | None = None,
    formats: Sequence[str] = ("vtu",),
) -> None:
    """Write the film to `folder`, the summary last.

    solution.json (numbers and history), timings.json, nodes.parquet, triangles.parquet, film.png, film.html, a page
    that needs no other file, and for each of the `formats` what `filmfiles.FILES` names, for other programs.
    critical: lambda* of the load, shown on the page with its worst set.
    """
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    content = summary(film, problem, critical)
    tables = {"nodes": _nodes(film), "triangles": _triangles(film)}
    for name, table in tables.items():
        _put(folder / f"{name}.parquet", partial(pq.write_table, table))
    write_film(film, folder, formats)
    draw_film(film, folder / "film.png", title=title)
    write_page(film, content, critical, folder / "film.html", title=title)
    _put_json(folder / "timings.json", _timings(film))
    _put_json(folder / "solution.json", content)


def summary(film: Film, problem: dict[str, Any], critical: CriticalLoad | None = None) -> dict[str, Any]:
    """Return what solution.json holds: the problem, the film's numbers, Newton's history, notes."""
    inside = film.mesh.interior
    return {
        "schema": 1,
        "problem": problem,
        "load": film.load.describe(),
        "nodes": len(film.mesh.points),
        "triangles": len(film.mesh.triangles),
        "perimeter": film.mesh.perimeter,
        "outcome": film.outcome,
        "detached": {
            "nodes": len(film.detached.nodes),
            "size": film.detached.size,
            "largest_jump": film.detached.largest,
        },
        "admissibility": _admissibility(film, critical),
        "mass_of_load": film.load.total(film.mesh),
        "mass_prescribed_at_inner_nodes": float(film.prescribed[inside].sum()),
        "mass_measured_at_inner_nodes": film.measure.total(),
        "mismatch": film.mismatch,
        "lowest": float(film.u.min()),
        "highest": float(film.u.max()),
        "area": film.area,
        "steepest": float(film.steepness.max()),
        "newton": [vars(step) for step in film.history],
        "notes": notes(film),
    }


def _admissibility(film: Film, critical: CriticalLoad | None) -> dict[str, Any]:
    """Infinite bounds, those of no load, are written as null: JSON has no infinity."""
    told: dict[str, Any] = {}
    if film.admission is not None:
        told |= {"at_least": _finite(film.admission.lower), "proven": film.admission.proven}
        told |= {"weighed_on_nodes": film.admission.nodes}
    if critical is not None:
        told |= {
            "critical_load": _finite(critical.value),
            "between": [_finite(bound) for bound in critical.interval],
        }
        told |= {"lower_bound_is_proof": critical.proven}
        if critical.worst_set is not None:
            told["worst_set"] = {
                "perimeter": critical.worst_set.perimeter,
                "mass": critical.worst_set.mass,
                "outline": [line.tolist() for line in critical.worst_set.outline],
            }
    return told


def _finite(number: float) -> float | None:
    return number if np.isfinite(number) else None


def _timings(film: Film) -> dict[str, float | None]:
    return {
        "admissibility_seconds": film.admission.seconds if film.admission is not None else None,
        "newton_seconds": film.seconds,
    }


def notes(film: Film) -> list[str]:
    """Return what a reader must know of the film, a sentence or two each."""
    said = []
    for curve in film.load.curves:
        outside = curve.length() - curve.length_inside(film.mesh)
        if outside > 1e-9 * curve.length():
            said.append(
                f"{outside:.4g} of the curve's length {curve.length():.4g} lies outside and carries nothing."
            )
    if film.outcome == "detached":
        said.append(
            f"The film leaves its boundary values on {film.detached.size:.4g} of the boundary's "
            f"{film.mesh.perimeter:.4g}, by up to {film.detached.largest:.4g}: it is the relaxed problem's film."
        )
    if film.outcome == "undecided":
        said.append(
            "The film might leave its boundary values; it was held to them, or the mesh is too large for a look at "
            "finer ones, and this is not decided."
        )
    steep = int((film.steepness > NEARLY_VERTICAL).sum())
    if steep and film.outcome != "detached":
        said.append(
            f"{steep} of {len(film.steepness)} triangles are nearly vertical (|g| > {NEARLY_VERTICAL}): the load is "
            "near what a film can hold. Refine before trusting it."
        )
    return said


def _nodes(film: Film) -> pa.Table:
    import pyarrow as pa

    prescribed = film.prescribed.copy()
    prescribed[film.mesh.boundary] = 0.0
    left = np.zeros(len(prescribed))
    left[film.detached.nodes] = film.detached.jumps
    coordinates = dict(zip("xyz", film.mesh.points.T, strict=False))
    columns = {
        **coordinates,
        "u": film.u,
        "prescribed_mass": prescribed,
        "measured_mass": film.measure.masses,
        "left_boundary_value_by": left,
    }
    return pa.table(columns, metadata={"mezzofanti.schema": "1"})


def _triangles(film: Film) -> pa.Table:
    import pyarrow as pa

    corners = dict(zip("abcd", film.mesh.triangles.astype(np.int32).T, strict=False))
    flux = dict(zip(("flux_x", "flux_y", "flux_z"), film.flux.T, strict=False))
    return pa.table({**corners, **flux}, metadata={"mezzofanti.schema": "1"})


def _put_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    _put(path, lambda temporary: temporary.write_text(text, "utf-8"))


def _put(path: Path, write: Callable[[Path], object]) -> None:
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    write(temporary)
    temporary.replace(path)
