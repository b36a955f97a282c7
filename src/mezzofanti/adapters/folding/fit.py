"""Fixed gates that imitate the routed model best: by gradient on KL(routed || folded) of the next token.

A handful of numbers a layer is fitted and nothing else, so a few steps and a few rows do. Gates are free real numbers:
whatever they are, the fold is the same plain LoRA. Optimiser: Adam (arXiv:1412.6980).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from mezzofanti.adapters.folding.calibration import Batch
from mezzofanti.adapters.folding.measure import Answering, divergence, standing_in, token_log_probabilities
from mezzofanti.adapters.folding.weights import Mixture, mixtures_of
from mezzofanti.answering import answering
from mezzofanti.errors import ConfigurationError

__all__ = ["fit_gates"]

Progress = Callable[[int, int], None]


def fit_gates(
    model: nn.Module,
    adapter: str,
    start: Mapping[str, Tensor],
    batches: Sequence[Batch],
    *,
    steps: int = 30,
    learning_rate: float = 0.02,
    progress: Progress | None = None,
) -> dict[str, Tensor]:
    """Return gates by layer, each (E) in float64, that began at `start` and descended on the divergence.

    One step is one batch, in turn; the rate falls to zero linearly. The model's weights are left as they are.
    """
    if steps < 1 or not batches:
        raise ConfigurationError(
            f"fold: {steps} steps on {len(batches)} batches fit no gates.", cure="Give at least one of each."
        )
    mixtures = mixtures_of(model, adapter)
    gates = {name: start[name].detach().float().requires_grad_() for name in mixtures}
    answers = {name: _gated(mixture, gates[name]) for name, mixture in mixtures.items()}
    optimizer = torch.optim.Adam(gates.values(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    with answering(model):
        for step in range(steps):
            _descend(model, answers, batches[step % len(batches)], optimizer)
            schedule.step()
            if progress is not None:
                progress(step + 1, steps)
    return {name: one.detach().double() for name, one in gates.items()}


def _gated(mixture: Mixture, gates_E: Tensor) -> Answering:
    weights = (mixture.shared_DI, mixture.coefficients_FD, mixture.scale * mixture.expansion_OF)
    shared_DI, coefficients_FD, expansion_OF = (weight.float() for weight in weights)
    rank = len(coefficients_FD) // mixture.experts

    def answer(x: Tensor) -> Tensor:
        hidden = linear(linear(x.float(), shared_DI), coefficients_FD)
        return linear(hidden * gates_E.repeat_interleave(rank), expansion_OF)

    return answer


def _descend(model: nn.Module, answers: Mapping[str, Answering], batch: Batch, optimizer: Any) -> None:
    with torch.no_grad():
        routed, _ = token_log_probabilities(model, batch)
    with torch.enable_grad(), standing_in(model, answers):
        folded, _ = token_log_probabilities(model, batch)
        loss = divergence(routed, folded) / max(1, len(routed))
        # on the gates alone: whatever else asks for gradients gets none
        gates = optimizer.param_groups[0]["params"]
        for gate, gradient in zip(gates, torch.autograd.grad(loss, gates), strict=True):
            gate.grad = gradient
    optimizer.step()
