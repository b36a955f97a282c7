"""Masses recovered from point values of exact surfaces, on a mesh that knows nothing of them.

The mesh is a rectangle's, turned and jittered by up to a quarter of its spacing, so that no line of it lies on a kink
or on a box's side. The boxes are random. The measure's own mass in a box is integrated without a mesh. What is
compared is not a solution of ours: prescribed against measured nodal masses of such a one would be Newton's residual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.curvature.errors import rate
from mezzofanti.curvature import Mesh, exact, mean_curvature_measure
from mezzofanti.curvature.exact import Known
from mezzofanti.curvature.mesh import Floats

__all__ = ["items", "summary"]

BOXES = 20
TURN = 0.3  # radians
SURFACES: dict[str, Known] = {
    "cap": exact.cap(2.5),
    "cylinder": exact.cylinder(2.5),
    "cone": exact.cone(1.0),
    "kink": exact.kink(1.0, ((0.0, -2.0), (0.0, 2.0))),
    "circle_mass": exact.circle_mass(0.3, 0.45),
    "scherk": exact.scherk(),
}
Box = list[list[float]]  # [[x0, x1], [y0, y1]]


def items(small: bool) -> dict[str, Callable[[], Any]]:
    """Return the surfaces."""
    cells = (8, 16) if small else (16, 32, 64, 128, 256)
    return {name: partial(_recovered, SURFACES[name], cells) for name in SURFACES}


def summary(measured: dict[str, Any]) -> dict[str, Any]:
    """Return them as they are."""
    return {"measure": measured}


def _recovered(known: Known, cells: Sequence[int]) -> dict[str, Any]:
    boxes = _boxes()
    truth = np.array([known.measure.mass(box=box) if known.measure.parts else 0.0 for box in boxes])
    levels = []
    for count in cells:
        mesh = unrelated_mesh(count)
        measured = mean_curvature_measure(known.height, mesh)
        wrong = np.abs([measured.mass(box=box) for box in boxes] - truth)
        levels.append(
            {"cells": count, "mean_error": float(wrong.mean()), "largest_error": float(wrong.max())}
        )
    sizes = [1 / level["cells"] for level in levels]
    return {
        "rate": rate(sizes, [level["mean_error"] for level in levels], last=4),
        "mean_mass": float(truth.mean()),
        "boxes": boxes,
        "levels": levels,
    }


def unrelated_mesh(cells: int) -> Mesh:
    """Return a jittered mesh of a turned square that holds all boxes."""
    draw = np.random.default_rng(cells)
    mesh = Mesh.rectangle((-1, 1), (-1, 1), cells=cells)
    points: Floats = mesh.points.copy()
    points[mesh.interior] += draw.uniform(-0.25, 0.25, (len(mesh.interior), 2)) * 2 / cells
    turn = np.array([[np.cos(TURN), np.sin(TURN)], [-np.sin(TURN), np.cos(TURN)]])
    return Mesh(points @ turn, mesh.triangles)


def _boxes() -> list[Box]:
    """Return boxes with sides of 0.2 to 0.9 inside |x|, |y| < 0.65, away from the mesh's boundary."""
    draw = np.random.default_rng(0)
    boxes: list[Box] = []
    for _ in range(BOXES):
        sides = draw.uniform(0.2, 0.9, 2)
        low = draw.uniform(-0.65, 0.65 - sides)
        (x0, y0), (x1, y1) = low, low + sides
        boxes.append([[float(x0), float(x1)], [float(y0), float(y1)]])
    return boxes
