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

__all__ = ["LARGEST_DIRECT", "solve_positive"]

LARGEST_DIRECT = 20_000
MOST_ITERATIONS = 500


def solve_positive(matrix: sparse.csr_matrix, right: Floats, relative: float = 1e-10) -> Floats:
    """Return x (n,) with matrix @ x = right, up to `relative` in the residual where iterations find it.

    Raises SolverError where the matrix is singular to working precision.
    """
    if matrix.shape[0] <= LARGEST_DIRECT:
        return _direct(matrix, right)
    return _multigrid(matrix, right, relative)


def _direct(matrix: sparse.csr_matrix, right: Floats) -> Floats:
    try:
        factors = splu(
            matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
        )
    except RuntimeError:
        raise SolverError("The linearised film is singular: part of it is vertical.") from None
    return np.asarray(factors.solve(right), dtype=np.float64)


def _multigrid(matrix: sparse.csr_matrix, right: Floats, relative: float) -> Floats:
    require("curvature", "pyamg")
    import pyamg

    hierarchy = pyamg.ruge_stuben_solver(matrix, max_coarse=500)
    cycle: LinearOperator = hierarchy.aspreconditioner()
    solution, left = cg(matrix, right, rtol=relative, atol=0.0, maxiter=MOST_ITERATIONS, M=cycle)
    if left != 0 or not np.isfinite(solution).all():
        raise SolverError("Conjugate gradients did not converge: part of the film is nearly vertical.")
    return np.asarray(solution, dtype=np.float64)
