"""A solved film, written to a folder: each file is whole or absent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mezzofanti.curvature.plot import draw_film
from mezzofanti.curvature.solve import Film

__all__ = ["summary", "write_results"]

NEARLY_VERTICAL = 0.99


def write_results(film: Film, folder: Path, problem: dict[str, Any], title: str = "") -> None:
    """Write solution.json, nodes.parquet, triangles.parquet and film.png to `folder`, the summary last."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_table(folder / "nodes.parquet", _nodes(film))
    _write_table(folder / "triangles.parquet", _triangles(film))
    draw_film(film, folder / "film.png", title=title)
    text = json.dumps(summary(film, problem), ensure_ascii=False, indent=2) + "\n"
    temporary = _temporary(folder / "solution.json")
    temporary.write_text(text, "utf-8")
    temporary.replace(folder / "solution.json")


def summary(film: Film, problem: dict[str, Any]) -> dict[str, Any]:
    """Return what solution.json holds: the problem, the film's numbers, Newton's history, notes."""
    inside = film.mesh.interior
    steepest = float(film.steepness.max())
    return {
        "schema": 1,
        "problem": problem,
        "load": film.load.describe(),
        "nodes": len(film.mesh.points),
        "triangles": len(film.mesh.triangles),
        "perimeter": film.mesh.perimeter,
        "mass_of_load": film.load.total(film.mesh),
        "mass_prescribed_at_inner_nodes": float(film.prescribed[inside].sum()),
        "mass_measured_at_inner_nodes": film.measure.total(),
        "mismatch": film.mismatch,
        "lowest": float(film.u.min()),
        "highest": float(film.u.max()),
        "area": film.area,
        "steepest": steepest,
        "newton": [vars(step) for step in film.history],
        "notes": _notes(film),
    }


def _notes(film: Film) -> list[str]:
    notes = []
    for curve in film.load.curves:
        outside = curve.length() - curve.length_inside(film.mesh)
        if outside > 1e-9 * curve.length():
            notes.append(
                f"{outside:.4g} of the curve's length {curve.length():.4g} lies outside and carries nothing."
            )
    steep = int((film.steepness > NEARLY_VERTICAL).sum())
    if steep:
        notes.append(
            f"{steep} of {len(film.steepness)} triangles are nearly vertical (|g| > {NEARLY_VERTICAL}): the load is "
            "near what a film can hold, or the film leaves its boundary values there. Refine before trusting it."
        )
    return notes


def _nodes(film: Film) -> pa.Table:
    prescribed = film.prescribed.copy()
    prescribed[film.mesh.boundary] = 0.0
    x, y = film.mesh.points.T
    columns = {
        "x": x,
        "y": y,
        "u": film.u,
        "prescribed_mass": prescribed,
        "measured_mass": film.measure.masses,
    }
    return pa.table(columns, metadata={"mezzofanti.schema": "1"})


def _triangles(film: Film) -> pa.Table:
    corners = dict(zip("abc", film.mesh.triangles.astype(np.int32).T, strict=True))
    flux = dict(zip(("flux_x", "flux_y"), film.flux.T, strict=True))
    return pa.table({**corners, **flux}, metadata={"mezzofanti.schema": "1"})


def _write_table(path: Path, table: pa.Table) -> None:
    temporary = _temporary(path)
    pq.write_table(table, temporary)
    temporary.replace(path)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")
