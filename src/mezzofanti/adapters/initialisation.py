"""The weights of an adapter before training: the base answers as before, every expert starts at Kaiming's scale.

For each expert draw K_t (d x n) as LoRA draws its A (Kaiming-uniform, a = sqrt(5): uniform within 1 / sqrt(n)), and
decompose K_t = U_t Sigma_t V_t. Then P_t = (U_t Sigma_t)[:r] / beta, S_A = beta V_0, B_t = 0 (Eq. 8-10 of MALoRA,
arXiv:2410.22782v1). Since the rows of V_0 are orthonormal, row i of P_t S_A is exactly as long as row i of K_t.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["draw_kaiming", "initial_qr", "initial_svd"]


def draw_kaiming(rows: int, columns: int) -> Tensor:
    """Return a float32 matrix (rows, columns), uniform within 1 / sqrt(columns), from torch's global generator."""
    bound = 1.0 / math.sqrt(columns)
    return torch.empty(rows, columns).uniform_(-bound, bound)


def initial_svd(kaiming: list[Tensor], rank: int, beta: float) -> tuple[Tensor, Tensor]:
    """Return S_A (d, n) and the stacked P (N * rank, d) of Eq. 8-10 from N Kaiming draws (d, n)."""
    shared, coefficients = torch.empty(0), []
    for expert, draw in enumerate(kaiming):
        # The eigenvectors of K K^T are the left singular vectors of K, at the price of d x d instead of d x n.
        # In double precision squaring the singular values costs nothing that float32 could show.
        draw = draw.double()
        squares, left = torch.linalg.eigh(draw @ draw.mT)
        values, left = squares.flip(-1).clamp(min=0).sqrt(), left.flip(-1)
        coefficients.append(((left * values)[:rank] / beta).float())
        if expert == 0:
            shared = (beta * (left.mT @ draw) / values.unsqueeze(-1)).float()
    return shared, torch.cat(coefficients)


def initial_qr(kaiming: list[Tensor], rank: int, beta: float) -> tuple[Tensor, Tensor]:
    """Return S_A and P as `initial_svd` does, from K_t^T = Q_t R_t: P_t = R_t^T[:rank] / beta, S_A = beta Q_0^T."""
    pairs = [torch.linalg.qr(draw.mT) for draw in kaiming]
    return beta * pairs[0].Q.mT.contiguous(), torch.cat([pair.R.mT[:rank] / beta for pair in pairs])
