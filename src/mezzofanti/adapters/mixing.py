"""The product of the mixture: sum_t G_t B_t P_t S_A x, for every token at once.

All weights are two-dimensional and stacked over the experts, so each step is one matrix product: `coefficients_FD`
holds P_1, ..., P_N one under another, `expansion_OF` holds B_1, ..., B_N side by side. A token's gates multiply its
hidden values, zero for experts that were not chosen. This does more arithmetic than sending each token to its experts,
and far less moving of memory: it is the quicker form as long as N * r is much smaller than the layer.

Shape letters: see `routing`. Source: Eq. 6-7 of MALoRA, arXiv:2410.22782v1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import linear

__all__ = ["mix_dense", "mix_loop", "project"]


def project(input_TI: Tensor, shared_DI: Tensor, router_EI: Tensor) -> tuple[Tensor, Tensor]:
    """Return S_A x (T, D) and the router's logits (T, E) from one pass over the input."""
    both = linear(input_TI, torch.cat([shared_DI, router_EI]))
    shared_TD, logits_TE = torch.split(both, [shared_DI.shape[0], router_EI.shape[0]], dim=-1)
    return shared_TD, logits_TE


def mix_dense(shared_TD: Tensor, gates_TE: Tensor, coefficients_FD: Tensor) -> Tensor:
    """Return the gated hidden values (T, F): what the stacked B then expands to the output."""
    hidden_TF = linear(shared_TD, coefficients_FD)
    experts = gates_TE.shape[-1]
    hidden_TER = hidden_TF.view(-1, experts, hidden_TF.shape[-1] // experts)
    return (hidden_TER * gates_TE.to(hidden_TF.dtype).unsqueeze(-1)).view_as(hidden_TF)


def mix_loop(shared_TD: Tensor, gates_TE: Tensor, coefficients_FD: Tensor, expansion_OF: Tensor) -> Tensor:
    """Return sum_t G_t B_t P_t s (T, O), expert after expert, for the tokens that chose it: the slow reference."""
    experts = gates_TE.shape[-1]
    rank = coefficients_FD.shape[0] // experts
    answer_TO = shared_TD.new_zeros(shared_TD.shape[0], expansion_OF.shape[0])
    for expert in range(experts):
        rows = slice(expert * rank, (expert + 1) * rank)
        tokens = gates_TE[:, expert].nonzero().squeeze(-1)
        hidden = shared_TD[tokens] @ coefficients_FD[rows].T
        answer = gates_TE[tokens, expert].unsqueeze(-1) * (hidden @ expansion_OF[:, rows].T)
        answer_TO = answer_TO.index_add(0, tokens, answer)
    return answer_TO
