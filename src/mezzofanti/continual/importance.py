"""Which entries matter: first-order sensitivity, smoothed over steps.

    I(theta)  = |theta * dL/dtheta|                     theta after the step, the gradient before it
    mean      <- b_mean * mean + (1 - b_mean) * I
    spread    <- b_spread * spread + (1 - b_spread) * |I - mean|
    score     = mean * spread                           elementwise

Source: Recurrent-KIF (arXiv:2502.17510), section "knowledge identification"; the uncertainty product is AdaLoRA's.
Averages start at zero without bias correction: only quantiles of the score are used, and those are scale-free.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Importance"]


class Importance:
    """Running importance of a list of tensors, of the same shapes."""

    def __init__(self, parameters: Sequence[Tensor], *, mean_decay: float, spread_decay: float) -> None:
        self.mean_decay = mean_decay
        self.spread_decay = spread_decay
        self.mean = [torch.zeros_like(p) for p in parameters]
        self.spread = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def update(self, parameters: Sequence[Tensor]) -> None:
        """Take in one step: `parameters` hold their new values and still their gradients."""
        for parameter, mean, spread in zip(parameters, self.mean, self.spread, strict=True):
            if parameter.grad is None:
                continue
            sensitivity = (parameter * parameter.grad).abs_()
            mean.lerp_(sensitivity, 1 - self.mean_decay)
            spread.lerp_(sensitivity.sub_(mean).abs_(), 1 - self.spread_decay)

    def scores(self) -> list[Tensor]:
        """The score of every entry, one tensor a parameter."""
        return [mean * spread for mean, spread in zip(self.mean, self.spread, strict=True)]

    def reset(self) -> None:
        """Forget everything."""
        for tensor in (*self.mean, *self.spread):
            tensor.zero_()
