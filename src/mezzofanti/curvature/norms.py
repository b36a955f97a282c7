"""The least weighted sum of Euclidean norms under one linear equation, with its dual: an interior-point method.

    minimise  sum_k w_k |A_k v|   subject to   b . v = 1.
    dual:     the largest lambda with  sum_k w_k A_k^T g_k = lambda b  for some |g_k| <= 1.

Each norm is rounded to sqrt(|p|^2 + mu^2), Newton is applied to g_k sqrt(|p_k|^2 + mu^2) = p_k with g_k as unknowns
of their own, and mu tends to 0. Some twelve linear systems reach a gap of a thousandth.
Source: Andersen, Christiansen, Conn, Overton, "An efficient primal-dual interior-point method for minimizing a sum
of Euclidean norms", SIAM J. Sci. Comput. 22 (2000), written there for the limit load of plastic bodies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from mezzofanti.curvature.mesh import Floats, Integers
from mezzofanti.errors import SolverError

__all__ = ["Block", "Iterate", "assemble", "least_sum"]

MOST_ITERATIONS = 60
FIRST_ROUNDING = 10.0  # Times the mean slope of the first v: so round that the first g is the least in L2.
FASTER, SLOWER = 0.3, 0.6  # Factors of mu after a long and after a short step of the dual.
INSIDE = 0.95  # Share of the way to the sphere |g| = 1 that a dual step may go.


@dataclass(frozen=True, eq=False)
class Block:
    """Norms of one kind. unknowns (K, s): which v each sees. matrices (K, s, d): p_k = sum_s v_s A_ks. weights (K,).

    unit: how large |p| is reckoned 1 when norms of several kinds are rounded alike.
    """

    unknowns: Integers
    matrices: Floats
    weights: Floats
    unit: float = 1.0

    def of(self, v: Floats) -> Floats:
        """Return p (K, d)."""
        return np.asarray(np.einsum("ksd,ks->kd", self.matrices, v[self.unknowns]), dtype=np.float64)

    def adjoint(self, g: Floats, count: int) -> Floats:
        """Return sum_k w_k A_k^T g_k (count,)."""
        local = self.weights[:, None] * np.einsum("ksd,kd->ks", self.matrices, g)
        return np.asarray(np.bincount(self.unknowns.ravel(), local.ravel(), minlength=count))


@dataclass(frozen=True, eq=False)
class Iterate:
    """After one Newton step: v, the sum of norms at v, and lambda with fluxes g that balance lambda b exactly.

    The fluxes may be longer than 1: lambda / `longest` is then a lower bound. estimate: Newton's own lambda, which is
    near the least sum long before its fluxes are short enough to prove anything.
    """

    v: Floats
    value: float
    multiplier: float
    fluxes: tuple[Floats, ...]
    estimate: float

    @property
    def longest(self) -> float:
        """Largest |g_k|."""
        return _longest(self.fluxes)

    @property
    def gap(self) -> float:
        """How far the two bounds are apart, as a share of the upper one."""
        return 1 - self.multiplier / max(self.longest, 1.0) / self.value


def least_sum(
    blocks: tuple[Block, ...], b: Floats, start: Floats, tolerance: float = 1e-3
) -> Iterator[Iterate]:
    """Yield iterates until the gap is below `tolerance`; the last one may miss it after 60 of them.

    b, start: (U,), with b . start > 0. Raises SolverError where the first system is singular; a later one is so where
    the rounding has become too small for the arithmetic, and then the iterate before it, with its gap, is the last.
    """
    scale = float(np.abs(b).sum())
    b = b / scale
    v = start / (b @ start)
    fluxes = tuple(np.zeros((len(block.weights), block.matrices.shape[2])) for block in blocks)
    kept = 0.0  # lambda of the fluxes kept inside the unit ball: both begin at 0 and move by the same shares.
    rounding = FIRST_ROUNDING * max(np.abs(block.of(v)).max() / block.unit for block in blocks)
    for number in range(MOST_ITERATIONS):
        try:
            step = _Step(blocks, b, v, fluxes, rounding)
        except SolverError:
            if number:
                return
            raise
        share = step.dual_share()
        fluxes = tuple(old + share * (new - old) for old, new in zip(fluxes, step.fluxes, strict=True))
        kept += share * (step.multiplier - kept)
        v = step.descended()
        pairs = [(step.multiplier, step.fluxes), (kept, fluxes)]
        multiplier, proof = max(pairs, key=lambda pair: pair[0] / max(_longest(pair[1]), 1e-300))
        value = _sum(blocks, v, 0.0)
        iterate = Iterate(v / scale, value / scale, multiplier / scale, proof, step.multiplier / scale)
        yield iterate
        if iterate.gap < tolerance:
            return
        rounding *= FASTER if share > 0.5 else SLOWER


class _Step:
    """One Newton step at (v, g) for one mu."""

    def __init__(
        self, blocks: tuple[Block, ...], b: Floats, v: Floats, fluxes: tuple[Floats, ...], rounding: float
    ) -> None:
        self.blocks, self.b, self.v, self.old, self.rounding = blocks, b, v, fluxes, rounding
        self.units = [_rounded(block, v, rounding) for block in blocks]
        self.turns = [_turn(g, unit, root) for g, (unit, root) in zip(fluxes, self.units, strict=True)]
        count = len(v)
        system = _factors(
            sum(assemble(block, turn, count) for block, turn in zip(blocks, self.turns, strict=True))
        )
        force = sum(block.adjoint(unit, count) for block, (unit, _) in zip(blocks, self.units, strict=True))
        along, back = system.solve(b), system.solve(force)
        self.multiplier = float((1 - b @ (v - back)) / (b @ along))
        self.way = self.multiplier * along - back
        self.fluxes = tuple(
            unit + np.einsum("kde,ke->kd", turn, block.of(self.way))
            for block, turn, (unit, _) in zip(blocks, self.turns, self.units, strict=True)
        )

    def dual_share(self) -> float:
        """Share of the way to the new fluxes that keeps all inside the unit ball."""
        room = min(_room(old, new - old) for old, new in zip(self.old, self.fluxes, strict=True))
        return min(1.0, INSIDE * room)

    def descended(self) -> Floats:
        """Return v after the longest of the steps 1, 1/2, 1/4 ... that lessens the rounded sum."""
        before, share = _sum(self.blocks, self.v, self.rounding), 1.0
        while share > 1e-4 and _sum(self.blocks, self.v + share * self.way, self.rounding) > before:
            share /= 2
        moved = self.v + share * self.way
        return np.asarray(moved / (self.b @ moved), dtype=np.float64)


def _rounded(block: Block, v: Floats, rounding: float) -> tuple[Floats, Floats]:
    """Return p / root (K, d) and root = sqrt(|p|^2 + mu^2) (K,)."""
    p = block.of(v)
    root = np.sqrt((p**2).sum(axis=1) + (rounding * block.unit) ** 2)
    return p / root[:, None], root


def _turn(g: Floats, unit: Floats, root: Floats) -> Floats:
    """Return dg / dp (K, d, d), symmetrised: (I - (g u^T + u g^T) / 2) / root, positive definite for |g|, |u| < 1."""
    product = g[:, :, None] * unit[:, None, :]
    turn = np.eye(g.shape[1]) - (product + product.transpose(0, 2, 1)) / 2
    return np.asarray(turn / root[:, None, None], dtype=np.float64)


def assemble(block: Block, turn: Floats, count: int) -> sparse.csr_matrix:
    """Return sum_k w_k A_k^T turn_k A_k (count, count), for turn (K, d, d)."""
    weighted = block.weights[:, None, None] * turn
    local = np.einsum("ksd,kde,kte->kst", block.matrices, weighted, block.matrices, optimize=True)
    width = block.unknowns.shape[1]
    rows, columns = np.repeat(block.unknowns, width, axis=1), np.tile(block.unknowns, (1, width))
    return sparse.csr_matrix((local.ravel(), (rows.ravel(), columns.ravel())), shape=(count, count))


def _factors(matrix: sparse.csr_matrix) -> Any:
    try:
        return splu(
            matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
    except RuntimeError:
        raise SolverError("The critical load's linear system is singular.", cure="Check the mesh.") from None


def _longest(fluxes: tuple[Floats, ...]) -> float:
    return float(max(np.linalg.norm(g, axis=1).max() for g in fluxes))


def _sum(blocks: tuple[Block, ...], v: Floats, rounding: float) -> float:
    squares = ((block.of(v) ** 2).sum(axis=1) + (rounding * block.unit) ** 2 for block in blocks)
    return float(sum(block.weights @ np.sqrt(square) for block, square in zip(blocks, squares, strict=True)))


def _room(g: Floats, way: Floats) -> float:
    """Return the longest step t with |g + t way| <= 1 everywhere."""
    square, cross, left = (way**2).sum(axis=1), (g * way).sum(axis=1), 1 - (g**2).sum(axis=1)
    moving = square > 0
    if not moving.any():
        return np.inf
    a, b, c = square[moving], cross[moving], left[moving]
    return float(((np.sqrt(b**2 + a * c) - b) / a).min())
