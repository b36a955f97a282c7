"""The weights of an adapter before training: the base answers as before, every expert starts at Kaiming's scale.

For each expert draw K_t (d x n) as LoRA draws its A (Kaiming-uniform, a = sqrt(5): uniform within 1 / sqrt(n)), and
decompose K_t = U_t Sigma_t V_t. Then P_t = (U_t Sigma_t)[:r] / beta, S_A = beta V_0, B_t = 0 (Eq. 8-10 of MALoRA,
arXiv:2410.22782v1). Since the rows of V_0 are orthonormal, row i of P_t S_A is exactly as long as row i of K_t.

How the ablations of Table 3 start is not in the paper. Ours keep that scale: without sharing, S_t has beta times
orthonormal rows and the rows of P_t point anywhere, as long as Kaiming's; with B decomposed, S_B has beta times
orthonormal columns, A_t is Kaiming's, and the P_t are zero, so that they learn from the first step.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mezzofanti.adapters.config import MaloraConfig
from mezzofanti.adapters.mixture_config import MixtureConfig
from mezzofanti.adapters.molora_config import MoloraConfig

__all__ = ["draw_kaiming", "draw_malora", "draw_molora", "initial_qr", "initial_svd"]


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


def draw_malora(config: MaloraConfig, rank: int, inputs: int, outputs: int) -> dict[str, Tensor]:
    """Return S, P, router and B (with B decomposed, A for B) as a map of `inputs` to `outputs` features starts."""
    if config.ablation == "decompose-B":
        return _draw_decomposed_b(config, rank, inputs, outputs)
    if config.ablation == "no-sharing":
        shared, coefficients = _draw_unshared(config, rank, inputs)
    else:
        draws = [draw_kaiming(config.shared_rank, inputs) for _ in range(config.num_experts)]
        decompose = initial_qr if config.init_malora_weights == "qr" else initial_svd
        shared, coefficients = decompose(draws, rank, config.beta)
    router = _draw_router(config, inputs)
    expansion = _zeros_or_kaiming(outputs, config.num_experts * rank, config.init_malora_weights is not False)
    return {"S": shared, "P": coefficients, "router": router, "B": expansion}


def draw_molora(config: MoloraConfig, rank: int, inputs: int, outputs: int) -> dict[str, Tensor]:
    """Return A, router and B as a map of `inputs` to `outputs` features starts: LoRA's A and B for every expert."""
    if config.ablation == "same-A":
        down = draw_kaiming(rank, inputs).repeat(config.num_experts, 1)
    else:
        down = draw_kaiming(
            rank if config.ablation == "fixed-shared-A" else config.num_experts * rank, inputs
        )
    router = _draw_router(config, inputs)
    expansion = _zeros_or_kaiming(outputs, config.num_experts * rank, config.init_molora_weights)
    return {"A": down, "router": router, "B": expansion}


def _draw_router(config: MixtureConfig, inputs: int) -> Tensor:
    return torch.empty(config.num_experts, inputs).normal_(std=config.router_init_std)


def _draw_unshared(config: MaloraConfig, rank: int, inputs: int) -> tuple[Tensor, Tensor]:
    own = config.shared_rank // config.num_experts
    bases = [torch.linalg.qr(draw_kaiming(own, inputs).mT).Q.mT for _ in range(config.num_experts)]
    directions = torch.nn.functional.normalize(torch.randn(config.num_experts * rank, own))
    lengths = draw_kaiming(config.num_experts * rank, inputs).norm(dim=1, keepdim=True)
    return config.beta * torch.cat(bases), directions * lengths / config.beta


def _draw_decomposed_b(config: MaloraConfig, rank: int, inputs: int, outputs: int) -> dict[str, Tensor]:
    stacked = config.num_experts * rank
    shared = config.beta * torch.linalg.qr(draw_kaiming(config.shared_rank, outputs).mT).Q
    coefficients = _zeros_or_kaiming(config.shared_rank, stacked, config.init_malora_weights is not False)
    router = _draw_router(config, inputs)
    return {"S": shared, "P": coefficients, "router": router, "A": draw_kaiming(stacked, inputs)}


def _zeros_or_kaiming(rows: int, columns: int, zeros: bool) -> Tensor:
    return torch.zeros(rows, columns) if zeros else draw_kaiming(rows, columns)
