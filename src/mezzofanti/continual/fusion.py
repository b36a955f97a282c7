"""Prune and merge: the entries of two task vectors that matter are added to the round's start, the rest falls away.

    theta <- theta_b + w_in * tau_in + w_out * tau_out          elementwise (Recurrent-KIF, arXiv:2502.17510, fusion)

    inner mask  outer mask   meaning             paper (w_in, w_out)   reference code
    1           0            new knowledge       1, 0                  1, 0
    0           1            old knowledge       0, 1                  0, 1
    1           1            shared: merge       1, 1                  0.4, 0.6
    0           0            redundant: prune    0, 0                  0.5, 0.5

The reference code keeps half of what the paper prunes; which of the two made the published figures is not known.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mezzofanti.records import Record

__all__ = ["PAPER", "REFERENCE", "WEIGHTS", "FusionWeights", "fuse", "important", "pooled_quantile"]


class FusionWeights(Record):
    """(w_in, w_out) where both masks are set, and where neither is."""

    both: tuple[float, float]
    neither: tuple[float, float]


PAPER = FusionWeights(both=(1.0, 1.0), neither=(0.0, 0.0))
REFERENCE = FusionWeights(both=(0.4, 0.6), neither=(0.5, 0.5))
WEIGHTS = {"paper": PAPER, "reference": REFERENCE}


def pooled_quantile(tensors: Sequence[Tensor], quantile: float) -> Tensor:
    """The `quantile` (0 to 1, linear interpolation) of all entries of all tensors together; shape ().

    `torch.quantile` refuses more than 16 million entries, an adapter of rank 8 on a 7B model has more.
    """
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    position = quantile * (flat.numel() - 1)
    below = int(position)
    lower = flat.kthvalue(below + 1).values
    if below == position:
        return lower
    return torch.lerp(lower, flat.kthvalue(below + 2).values, position - below)


def important(scores: Sequence[Tensor], quantile: float) -> list[Tensor]:
    """Boolean masks of the entries whose score lies above the pooled `quantile`."""
    threshold = pooled_quantile(scores, quantile)
    return [score > threshold for score in scores]


def fuse(
    start: Tensor, inner: Tensor, outer: Tensor, in_mask: Tensor, out_mask: Tensor, weights: FusionWeights
) -> Tensor:
    """One tensor fused: `start` is theta_b, `inner` tau_in, `outer` tau_out, all of one shape."""
    both, neither = in_mask & out_mask, ~(in_mask | out_mask)
    w_in = (in_mask & ~both).to(start.dtype) + weights.both[0] * both + weights.neither[0] * neither
    w_out = (out_mask & ~both).to(start.dtype) + weights.both[1] * both + weights.neither[1] * neither
    return start + w_in * inner + w_out * outer
