"""Integrals of the hat functions of simplices against a density that may be steep, or live on a thin region.

Every simplex is first cut so often that a mesh of few cells is looked at in as many points as one of many: what is
thinner than a cell is seen. Pieces are then halved again where the rule's own points disagree, or where a region holds
some of a piece's points and not others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mezzofanti.curvature.fields import rule
from mezzofanti.curvature.mesh import Floats, Integers, signed_volumes
from mezzofanti.curvature.refinement import EDGES, children

__all__ = ["Holds", "halved", "hat_masses"]

Bools = NDArray[np.bool_]
Holds = Callable[[Floats], Bools]

LOOKS, LOOKS_IN_A_REGION = 50_000, 400_000  # Points in which a density is looked at, on whatever mesh,
MOST_HALVINGS = {1: 8, 2: 4, 3: 2}  # or in the pieces of cells that were halved so often.
DEEPER = {1: 12, 2: 5, 3: 2}  # Halvings after that, where they are needed;
WHOLE_CELLS = 2  # in so many of them, of all the pieces of a cell that needs one: a thin region runs on.
TOLERANCE = 1e-6  # Share of the mass that pieces may be wrong by, all together, and yet be left as they are.


def hat_masses(field: Callable[[Floats], Floats], corners: Floats, holds: Holds | None = None) -> Floats:
    """Return the integrals (T, n + 1) of each cell's hat functions against field(points (P, n)).

    corners: (T, n + 1, n). holds: says which points (P, n) lie in the region that the density lives on; the field is
    not asked beyond it.
    """
    dimension = corners.shape[2]
    masses = np.zeros(corners.shape[:2])
    if not len(corners):
        return masses
    cells, pieces = _halved_evenly(len(corners), dimension, LOOKS if holds is None else LOOKS_IN_A_REGION)
    left, scale = 1.0, 0.0
    for depth in range(DEEPER[dimension] + 1):
        found = _Pieces(field, corners, cells, pieces, holds)
        scale = scale or float(np.abs(found.masses).sum()) / max(float(found.volumes.sum()), 1e-300)
        rough, left = found.rough(scale, left)
        if depth == DEEPER[dimension]:
            rough[:] = False
        elif depth < WHOLE_CELLS and holds is not None:
            rough |= np.isin(cells, cells[found.mixed])
        np.add.at(masses, cells[~rough], found.masses[~rough])
        if not rough.any():
            break
        pieces = halved(pieces[rough])
        cells = np.repeat(cells[rough], 2**dimension)
    return masses


class _Pieces:
    """Masses of pieces (P, n + 1, n + 1), given by the barycentric shares of their corners in `cells` (P,)."""

    def __init__(
        self,
        field: Callable[[Floats], Floats],
        corners: Floats,
        cells: Integers,
        pieces: Floats,
        holds: Holds | None,
    ) -> None:
        dimension = corners.shape[2]
        shares, weights = rule(dimension)
        inner = shares @ pieces
        at = inner @ corners[cells]
        self.volumes = np.abs(np.linalg.det(pieces)) * np.abs(signed_volumes(corners))[cells]
        inside = np.ones(at.shape[:2], dtype=bool)
        self.mixed: Bools = np.zeros(len(cells), dtype=bool)
        if holds is not None:
            inside = holds(at.reshape(-1, dimension)).reshape(at.shape[:2])
            tips = holds((pieces @ corners[cells]).reshape(-1, dimension)).reshape(pieces.shape[:2])
            seen = np.hstack([inside, tips])
            self.mixed = np.asarray(seen.any(axis=1) & ~seen.all(axis=1), dtype=np.bool_)
        self.values = np.zeros(at.shape[:2])
        self.values[inside] = field(at[inside])
        self.masses = self.volumes[:, None] * np.einsum("pq,q,pqc->pc", self.values, weights, inner)

    def rough(self, scale: float, left: float) -> tuple[Bools, float]:
        """Return which pieces need to be halved, and which share of the tolerance is left after the others.

        Means over the rule's orbits of points differ by d, of second order in the piece's size; the rule itself is
        wrong by something of the order of d^2. scale: the density's mean, without which a zero would be rough.
        """
        means = np.stack([self.values[:, orbit].mean(axis=1) for orbit in _orbits(len(self.values[0]))])
        apart = np.ptp(means, axis=0)
        size = np.maximum(np.abs(means).max(axis=0), scale)
        share = np.divide(apart, size, out=np.zeros_like(apart), where=size > 0)
        wrong = self.volumes * apart * share / max(scale * float(self.volumes.sum()), 1e-300)
        order = np.argsort(wrong)
        sums = np.cumsum(wrong[order])
        fine = sums <= TOLERANCE * left
        rough = self.mixed.copy()
        rough[order[~fine]] = True
        return rough, left / 2


@lru_cache
def _orbits(points: int) -> list[Integers]:
    """Return which of the rule's points have the same weight, so that symmetry maps them to each other."""
    weights = next(rule(n)[1] for n in (1, 2, 3) if len(rule(n)[1]) == points)
    return [np.flatnonzero(np.isclose(weights, weight)) for weight in np.unique(weights.round(12))]


def _halved_evenly(count: int, dimension: int, looks: int) -> tuple[Integers, Floats]:
    """Return of which cell each piece is (P,), and its corners (P, n + 1, n + 1) as shares of the cell's."""
    pieces, points = np.eye(dimension + 1)[None], len(rule(dimension)[1])
    for _ in range(MOST_HALVINGS[dimension]):
        if count * points * len(pieces) * 2**dimension > looks:
            break
        pieces = halved(pieces)
    return np.repeat(np.arange(count), len(pieces)), np.tile(pieces, (count, 1, 1))


def halved(pieces: Floats) -> Floats:
    """Return the 2^n pieces (2^n P, n + 1, n + 1) of each, those of one together."""
    dimension = pieces.shape[1] - 1
    edges = EDGES[dimension]
    local = np.concatenate([pieces, pieces[:, edges].mean(axis=2)], axis=1)
    table = children(np.arange(dimension + 1)[None], dimension + 1 + np.arange(len(edges))[None])
    return np.asarray(local[:, table].reshape(-1, dimension + 1, dimension + 1), dtype=np.float64)
