"""One symmetric positive definite system: LU while it is small, conjugate gradients with multigrid beyond.

The direct factors of a plane mesh grow faster than its nodes; above some twenty thousand unknowns classical
algebraic multigrid (Ruge and Stueben 1987, as in pyamg) as a preconditioner is faster and needs less memory.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg, splu

from mezzofanti.curvature.mesh import Floats
from mezzofanti.errors import SolverError, require

__all__ = ["LARGEST_DIRECT", "PositiveSolver", "solve_positive"]

LARGEST_DIRECT = 20_000
MOST_ITERATIONS = 500
PATIENCE = 2  # Times the iterations of a fresh hierarchy, and a few: then an old one has had its day.
A_FEW = 5


def solve_positive(matrix: sparse.csr_matrix, right: Floats, relative: float = 1e-10) -> Floats:
    """Return x (n,) with matrix @ x = right, up to `relative` in the residual where iterations find it.

    Raises SolverError where the matrix is singular to working precision.
    """
    return PositiveSolver()(matrix, right, relative)


class PositiveSolver:
    """Solves systems one after another, as Newton on one mesh has them.

    Their matrices change little near the end, so a multigrid hierarchy is kept while it preconditions well: setting
    one up costs as much as some twenty iterations.
    """

    def __init__(self) -> None:
        self._cycle: LinearOperator | None = None
        self._expected = 0

    def __call__(self, matrix: sparse.csr_matrix, right: Floats, relative: float = 1e-10) -> Floats:
        """Return x (n,) with matrix @ x = right. Raises SolverError as `solve_positive`."""
        if matrix.shape[0] <= LARGEST_DIRECT:
            return _direct(matrix, right)
        if self._cycle is not None and self._cycle.shape == matrix.shape:
            solution, found = _iterate(matrix, right, relative, self._cycle, self._expected)
            if found:
                return solution
        self._cycle = _multigrid(matrix)
        steps = [0]
        solution, found = _iterate(matrix, right, relative, self._cycle, MOST_ITERATIONS, steps)
        if not found:
            raise SolverError("Conjugate gradients did not converge: part of the film is nearly vertical.")
        per_digit = steps[0] / max(-np.log10(relative), 1.0)
        self._expected = int(PATIENCE * per_digit * 10) + A_FEW
        return solution


def _direct(matrix: sparse.csr_matrix, right: Floats) -> Floats:
    try:
        factors = splu(
            matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
    except RuntimeError:
        raise SolverError("The linearised film is singular: part of it is vertical.") from None
    return np.asarray(factors.solve(right), dtype=np.float64)


def _multigrid(matrix: sparse.csr_matrix) -> LinearOperator:
    require("curvature", "pyamg")
    import pyamg

    cycle: LinearOperator = pyamg.ruge_stuben_solver(matrix, max_coarse=500).aspreconditioner()
    return cycle


def _iterate(
    matrix: sparse.csr_matrix,
    right: Floats,
    relative: float,
    cycle: LinearOperator,
    most: int,
    steps: list[int] | None = None,
) -> tuple[Floats, bool]:
    """Return what conjugate gradients found in at most so many iterations, and whether that is exact enough."""

    def count(_: Floats) -> None:
        if steps is not None:
            steps[0] += 1

    solution, left = cg(matrix, right, rtol=relative, atol=0.0, maxiter=most, M=cycle, callback=count)
    return np.asarray(solution, dtype=np.float64), bool(left == 0 and np.isfinite(solution).all())
