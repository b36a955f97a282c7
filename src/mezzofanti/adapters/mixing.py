"""The product of a mixture: sum_t G_t U_t D_t z, for every token, in four forms with the same result.

For MALoRA z = S_A x, D_t = P_t and U_t = B_t; for MoLoRA z = x, D_t = A_t and U_t = B_t. All weights are
two-dimensional and stacked over the experts: `down_FX` holds D_1, ..., D_N one under another, `up_OF` holds
U_1, ..., U_N side by side. A token's gates are zero for experts that were not chosen.

- dense: every token passes through every expert, and its gates multiply the hidden values. This does more arithmetic
  than sending each token to its experts and far less moving of memory: it is the quicker form as long as N * r is much
  smaller than the layer.
- recomputed: the same, and the hidden values are computed again in the backward pass instead of being kept.
- sorted: tokens are copied and sorted by expert, and one grouped product does the rest.
- loop: expert after expert, for the tokens that chose it: the slow reference.

Shape letters: see `routing`; X is the width of z, C = T * top_k counts chosen slots. Source: Eq. 3-7 of MALoRA,
arXiv:2410.22782v1.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import linear

__all__ = [
    "Factors",
    "autocasts",
    "gate_hidden",
    "grouped_product",
    "mix_dense",
    "mix_loop",
    "mix_otherwise",
    "mix_recomputed",
    "mix_sorted",
    "project",
    "router_logits",
]

GROUPED_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
ALIGNMENT = 16
"""Bytes: `grouped_mm` takes matrices whose rows begin at multiples of it."""


class Factors(NamedTuple):
    """The adapter's answer is the sum over t of G_t U_t D_t S x, up to its scale.

    `shared_XI` is S, or None where the experts read the input itself; `down_FX` holds the stacked D_t, `up_OF` the
    stacked U_t.
    """

    shared_XI: Tensor | None
    down_FX: Tensor
    up_OF: Tensor


def autocasts(device: str) -> bool:
    """Say whether `torch.autocast` is on for a kind of device; the meta device has none and may not be asked."""
    return device != "meta" and torch.is_autocast_enabled(device)


def router_logits(input_TI: Tensor, router_EI: Tensor) -> Tensor:
    """Return the router's logits (T, E) by a product in float32 or wider, however narrow the weights are.

    Under `torch.autocast` the product is in the autocast type like all others.
    """
    wide = torch.promote_types(router_EI.dtype, torch.float32)
    return linear(input_TI.to(wide), router_EI.to(wide))


def project(input_TI: Tensor, first_XI: Tensor, router_EI: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the experts read (T, X) and the router's logits (T, E) from one pass over the input."""
    both = linear(input_TI, torch.cat([first_XI, router_EI]))
    read_TX, logits_TE = torch.split(both, [first_XI.shape[0], router_EI.shape[0]], dim=-1)
    return read_TX, logits_TE


def gate_hidden(hidden_TF: Tensor, gates_TE: Tensor) -> Tensor:
    """Return the hidden values (T, F), each expert's multiplied by its gate."""
    experts = gates_TE.shape[-1]
    hidden_TER = hidden_TF.view(-1, experts, hidden_TF.shape[-1] // experts)
    return (hidden_TER * gates_TE.to(hidden_TF.dtype).unsqueeze(-1)).view_as(hidden_TF)


def mix_dense(read_TX: Tensor, gates_TE: Tensor, down_FX: Tensor) -> Tensor:
    """Return the gated hidden values (T, F): what the stacked `up_OF` then expands to the output."""
    return gate_hidden(linear(read_TX, down_FX), gates_TE)


class _Recomputed(torch.autograd.Function):
    """answer + (gates * (z D^T)) U^T, which keeps z, the gates and the weights alone for its backward pass."""

    @staticmethod
    def forward(
        ctx: Any, answer_TO: Tensor, read_TX: Tensor, gates_TE: Tensor, down_FX: Tensor, up_OF: Tensor
    ) -> Tensor:
        ctx.save_for_backward(read_TX, gates_TE, down_FX, up_OF)
        return torch.addmm(answer_TO, mix_dense(read_TX, gates_TE, down_FX), up_OF.mT)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        (grad_TO,) = gradients
        read_TX, gates_TE, down_FX, up_OF = ctx.saved_tensors
        hidden_TF = linear(read_TX, down_FX)
        grad_up_OF = grad_TO.mT @ gate_hidden(hidden_TF, gates_TE)
        grad_mixed_TF = grad_TO @ up_OF
        experts = gates_TE.shape[-1]
        grad_gates_TE = (grad_mixed_TF * hidden_TF).view(len(hidden_TF), experts, -1).sum(dim=-1)
        grad_hidden_TF = gate_hidden(grad_mixed_TF, gates_TE)
        grad_down_FX, grad_read_TX = grad_hidden_TF.mT @ read_TX, grad_hidden_TF @ down_FX
        return grad_TO, grad_read_TX, grad_gates_TE.to(gates_TE.dtype), grad_down_FX, grad_up_OF


def mix_recomputed(
    answer_TO: Tensor, read_TX: Tensor, gates_TE: Tensor, down_FX: Tensor, up_OF: Tensor
) -> Tensor:
    """Return answer + `mix_dense` expanded by `up_OF` (T, O), all in the dtype of `answer_TO`, for little memory."""
    read_TX, down_FX, up_OF = (tensor.to(answer_TO.dtype) for tensor in (read_TX, down_FX, up_OF))
    # the type of the device is not asked for where nothing autocasts: the meta device has none
    off = (
        torch.autocast(answer_TO.device.type, enabled=False)
        if autocasts(answer_TO.device.type)
        else nullcontext()
    )
    with off:
        mixed: Tensor = _Recomputed.apply(answer_TO, read_TX, gates_TE, down_FX, up_OF)  # type: ignore[no-untyped-call]
    return mixed


def mix_sorted(read_TX: Tensor, gates_TE: Tensor, down_FX: Tensor, up_OF: Tensor, top_k: int) -> Tensor:
    """Return sum_t G_t U_t D_t z (T, O) from grouped products over the chosen slots, in the dtype of `read_TX`."""
    experts, dtype = gates_TE.shape[-1], read_TX.dtype
    expert_TK = gates_TE.detach().abs().topk(top_k, dim=-1, sorted=False).indices
    expert_C, order_C = expert_TK.reshape(-1).sort(stable=True)
    token_C = order_C.div(top_k, rounding_mode="floor")
    gate_C = gates_TE.to(dtype).gather(-1, expert_TK).reshape(-1)[order_C]
    ends_E = torch.searchsorted(expert_C, torch.arange(experts, device=expert_C.device), right=True)
    down_EXR = down_FX.to(dtype).view(experts, -1, down_FX.shape[-1]).mT
    up_ERO = up_OF.to(dtype).view(up_OF.shape[0], experts, -1).permute(1, 2, 0)
    hidden_CR = grouped_product(read_TX[token_C], down_EXR, ends_E) * gate_C.unsqueeze(-1)
    answer_TO = read_TX.new_zeros(len(read_TX), up_OF.shape[0])
    return answer_TO.index_add(0, token_C, grouped_product(hidden_CR, up_ERO, ends_E))


def grouped_product(rows_CX: Tensor, weights_EXY: Tensor, ends_E: Tensor) -> Tensor:
    """Return rows times the weights of their group (C, Y); group e of the rows ends before row `ends_E[e]`.

    Widths that `torch.nn.functional.grouped_mm` refuses are padded with zeros. A dtype, or a torch before 2.10, that
    has no such product gets one product a group.
    """
    grouped_mm = getattr(functional, "grouped_mm", None)
    if grouped_mm is None or rows_CX.dtype not in GROUPED_DTYPES:
        ends = ends_E.tolist()
        spans = zip([0, *ends[:-1]], ends, strict=True)
        return torch.cat([rows_CX[start:end] @ weights_EXY[e] for e, (start, end) in enumerate(spans)])
    rows_CX, weights_EXY, width = _padded(rows_CX, 1), _padded(weights_EXY, 2), weights_EXY.shape[-1]
    product_CY: Tensor = grouped_mm(rows_CX, weights_EXY, offs=ends_E.int())
    return product_CY[:, :width]


def _padded(tensor: Tensor, dimensions: int) -> Tensor:
    step = ALIGNMENT // tensor.element_size()
    missing = [-size % step for size in reversed(tensor.shape[-dimensions:])]
    return (
        functional.pad(tensor, [edge for size in missing for edge in (0, size)]) if any(missing) else tensor
    )


def mix_loop(read_TX: Tensor, gates_TE: Tensor, down_FX: Tensor, up_OF: Tensor) -> Tensor:
    """Return sum_t G_t U_t D_t z (T, O), expert after expert, for the tokens that chose it: the slow reference."""
    experts = gates_TE.shape[-1]
    rank = down_FX.shape[0] // experts
    answer_TO = read_TX.new_zeros(read_TX.shape[0], up_OF.shape[0])
    for expert in range(experts):
        rows = slice(expert * rank, (expert + 1) * rank)
        tokens = gates_TE[:, expert].nonzero().squeeze(-1)
        hidden = linear(read_TX[tokens], down_FX[rows])
        answer = gates_TE[tokens, expert].unsqueeze(-1) * linear(hidden, up_OF[:, rows])
        answer_TO = answer_TO.index_add(0, tokens, answer.to(answer_TO.dtype))
    return answer_TO


def mix_otherwise(
    form: str, answer_TO: Tensor, read_TX: Tensor, gates_TE: Tensor, factors: Factors, top_k: int
) -> Tensor:
    """Return the base's answer plus the mixture (T, O) in another form than dense: see the module's list."""
    _, down_FX, up_OF = factors
    device = read_TX.device.type
    if autocasts(device):
        read_TX = read_TX.to(torch.get_autocast_dtype(device))
    if form == "recomputed":
        wide = mix_recomputed(answer_TO.to(read_TX.dtype), read_TX, gates_TE, down_FX, up_OF)
    elif form == "sorted":
        wide = answer_TO + mix_sorted(read_TX, gates_TE, down_FX, up_OF, top_k)
    else:
        wide = answer_TO + mix_loop(read_TX, gates_TE, down_FX, up_OF)
    return wide.to(answer_TO.dtype)
