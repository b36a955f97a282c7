"""Which experts answer for a token, and the load-balance term that keeps all of them in use.

Shape letters of this package: T tokens, I input features, O output features, D rows of the shared projection,
E experts, R rank of one expert, F = E * R.

Sources: gates, Eq. 4-5 of MALoRA (arXiv:2410.22782v1); load balance, Eq. 4-6 of the Switch Transformer
(arXiv:2101.03961), its shares divided by top_k so that an even load gives 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

__all__ = ["Observer", "RoutingContext", "attach", "choose", "gate", "load_balance"]

Observer = Callable[[str, str, Tensor, Tensor, Tensor, Tensor | None], None]
"""Takes the layer's name, the adapter's name, gates, probabilities, chosen mask (each T, E) and weights (T) or None."""


def choose(probabilities_TE: Tensor, top_k: int) -> Tensor:
    """Return a mask (T, E) with ones at each token's `top_k` largest probabilities and zeros elsewhere."""
    chosen_TK = probabilities_TE.topk(top_k, dim=-1, sorted=False).indices
    return torch.zeros_like(probabilities_TE).scatter_(-1, chosen_TK, 1.0)


def gate(logits_TE: Tensor, top_k: int, normalise: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return gates, probabilities and the mask of the chosen experts, each (T, E), in float32 or wider.

    The softmax runs over all experts, then the `top_k` largest are kept as they are (Eq. 4); `normalise` scales
    the kept ones to sum to one.
    """
    wide = logits_TE if logits_TE.dtype == torch.float64 else logits_TE.float()
    # Over the first dimension of the transpose: torch's CPU softmax is slow along a last dimension as short as this.
    probabilities_TE = wide.mT.softmax(dim=0).mT
    with torch.no_grad():
        chosen_TE = choose(probabilities_TE, top_k)
    gates_TE = probabilities_TE * chosen_TE
    if normalise:
        gates_TE = gates_TE / gates_TE.sum(dim=-1, keepdim=True)
    return gates_TE, probabilities_TE, chosen_TE


def load_balance(probabilities_TE: Tensor, chosen_TE: Tensor, weights_T: Tensor | None = None) -> Tensor:
    """Return N * sum_t f_t p_t: 1 where all experts carry an equal load, up to N / top_k where `top_k` carry all.

    f_t is the share of chosen slots that went to expert t (no gradient flows through it), p_t the mean probability of
    expert t. `weights_T` is 1 for a token that counts and 0 for padding.
    """
    experts = probabilities_TE.shape[-1]
    if weights_T is None:
        load_E, mean_E = chosen_TE.mean(dim=0), probabilities_TE.mean(dim=0)
    else:
        weights_T = weights_T / weights_T.sum().clamp(min=1.0)
        load_E, mean_E = weights_T @ chosen_TE, weights_T @ probabilities_TE
    share_E = load_E / load_E.sum().clamp(min=torch.finfo(load_E.dtype).tiny)
    return experts * torch.dot(share_E, mean_E)


class _Attach(torch.autograd.Function):
    """The identity on its first argument; backward also hands gradient 1 to the second."""

    @staticmethod
    def forward(ctx: Any, carrier: Tensor, loss: Tensor) -> Tensor:
        ctx.shape, ctx.options = loss.shape, {"dtype": loss.dtype, "device": loss.device}
        return carrier.view_as(carrier)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        return gradients[0], torch.ones(ctx.shape, **ctx.options)


def attach(carrier: Tensor, loss: Tensor) -> Tensor:
    """Return `carrier` unchanged, so that a backward pass through it also descends on the scalar `loss`.

    So an auxiliary loss of a layer needs no change in the trainer. It is not part of the loss that is reported.
    """
    attached: Tensor = _Attach.apply(carrier, loss)  # type: ignore[no-untyped-call]
    return attached


@dataclass
class RoutingContext:
    """What the routers of one model share during a pass: which tokens are padding, and a factor for the extra loss.

    It is a forward pre-hook of the model's body, which is called with or without a head, and remembers the
    `attention_mask`. With gradient checkpointing the layers run again during backward: then the mask of the *last*
    forward pass is the one in force.

    Attributes:
        scale: Factor on the load-balance term: 1 / gradient_accumulation_steps where the trainer divides its loss so,
            or the loss scale of a float16 gradient scaler.
        observers: Called in every adapted layer with what its router chose, detached: telemetry and calibration
            listen here. Empty, they cost nothing.
    """

    scale: float = 1.0
    mask: Tensor | None = field(default=None, repr=False)
    observers: list[Observer] = field(default_factory=list, repr=False)

    def __call__(self, module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Remember which tokens count: two-dimensional masks only, others say nothing about padding."""
        mask = named.get("attention_mask")
        self.mask = mask if isinstance(mask, Tensor) and mask.dim() == 2 else None

    def weights(self, tokens: int, like: Tensor) -> Tensor | None:
        """Return 1 for tokens that count and 0 for padding, shape (tokens,); None where nothing is known."""
        if self.mask is None or self.mask.numel() != tokens:
            return None
        return self.mask.reshape(-1).to(device=like.device, dtype=like.dtype)
