"""Which experts answer for a token, and the load-balance term that keeps all of them in use.

Shape letters of this package: T tokens, I input features, O output features, D rows of the shared projection,
E experts, R rank of one expert, F = E * R.

Sources: gates, Eq. 4-5 of MALoRA (arXiv:2410.22782v1); load balance, Eq. 4-6 of the Switch Transformer
(arXiv:2101.03961), its shares divided by top_k so that an even load gives 1; z-loss, Eq. 5 of ST-MoE
(arXiv:2202.08906).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from accelerate.state import GradientState
from torch import Tensor, distributed, nn

from mezzofanti.adapters.masks import sees_decoder, two_dimensional
from mezzofanti.adapters.processes import spread
from mezzofanti.errors import ConfigurationError

__all__ = [
    "Choice",
    "Observer",
    "Routing",
    "RoutingContext",
    "attach",
    "choose",
    "contexts_of",
    "gate",
    "load_balance",
    "load_balance_across",
    "z_loss",
]

LOOK_EVERY = 16
"""Passes, in training or not, from one look at the routers' health to the next where the host has to wait for it."""

Observer = Callable[[str, str, Tensor, Tensor, Tensor, Tensor | None], None]
"""Takes the layer's name, the adapter's name, gates, probabilities, chosen mask (each T, E) and weights (T) or None."""


@dataclass
class Routing:
    """How the router of one adapter in one layer chooses.

    `balance` and `z_loss` are the weights of its load-balance term and its z-loss.
    """

    num_experts: int
    top_k: int
    normalise: bool
    balance: float
    z_loss: float = 0.0


class Choice(NamedTuple):
    """What a router chose for T tokens: gates, probabilities, and ones where an expert was chosen, each (T, E)."""

    gates_TE: Tensor
    probabilities_TE: Tensor
    chosen_TE: Tensor


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


def load_balance_across(
    probabilities_TE: Tensor, chosen_TE: Tensor, weights_T: Tensor | None = None, group: Any = None
) -> tuple[Tensor, Tensor]:
    """Return this process's part of `load_balance` over the tokens of all processes: the mean over them is the whole.

    The shares f_t are summed over the processes of `group`; p_t holds the own tokens, over the mean number of tokens
    a process has. So the mean of the gradients, which distributed training takes, is the gradient of the whole. Also
    returned is the number of own tokens over that mean number, by which a mean over own tokens becomes such a part.
    """
    experts, processes = probabilities_TE.shape[-1], distributed.get_world_size(group)
    if weights_T is None:
        weights_T = torch.ones_like(probabilities_TE[:, 0])
    sums = torch.cat([weights_T @ chosen_TE, weights_T.sum().unsqueeze(0)])
    distributed.all_reduce(sums, group=group)
    share_E = sums[:experts] / sums[:experts].sum().clamp(min=torch.finfo(sums.dtype).tiny)
    weights_T = weights_T / (sums[experts] / processes).clamp(min=1.0)
    return experts * torch.dot(share_E, weights_T @ probabilities_TE), weights_T.sum()


def z_loss(logits_TE: Tensor, weights_T: Tensor | None = None) -> Tensor:
    """Return the mean over tokens of the squared log-sum-exp of the router's logits."""
    squares_T = logits_TE.float().logsumexp(dim=-1).square()
    if weights_T is None:
        return squares_T.mean()
    return torch.dot(weights_T / weights_T.sum().clamp(min=1.0), squares_T)


class _Attach(torch.autograd.Function):
    """The identity on its first argument; backward also hands gradient 1 to the second."""

    # no setup_context, which torch.func would need: it takes four times as long to call
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
    `attention_mask`, and of a model with an encoder and a decoder the `decoder_attention_mask`: each layer is asked for
    the tokens it sees. With gradient checkpointing the layers run again during backward: then the mask of the *last*
    forward pass is the one in force.

    Attributes:
        encoder_decoder: Whether the model has an encoder and a decoder with tokens of their own.
        scale: Factor on the load-balance term and the z-loss: 1 / gradient_accumulation_steps where the trainer divides
            its loss so, times the loss scale of a float16 gradient scaler. `callbacks.ScaleRouting` sets it in a
            Trainer. Left at 1 while a Trainer or accelerate accumulates, it is warned of once.
        group: Processes whose tokens are balanced together, as torch.distributed names them; None is all of them.
        observers: Called in every adapted layer with what its router chose, detached: telemetry and calibration
            listen here. Empty, they cost nothing.
        hook: What takes the context off the model again, torch's handle of the pre-hook.
    """

    scale: float = 1.0
    mask: Tensor | None = field(default=None, repr=False)
    decoder_mask: Tensor | None = field(default=None, repr=False)
    encoder_decoder: bool = False
    group: Any = field(default=None, repr=False)
    observers: list[Observer] = field(default_factory=list, repr=False)
    hook: Any = field(default=None, repr=False)
    _unseen: dict[tuple[str, str], Tensor] = field(default_factory=dict, repr=False)
    _passes: int = field(default=0, repr=False)
    _warned: bool = field(default=False, repr=False)

    def __call__(self, module: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Remember which tokens count: two-dimensional masks only, others say nothing about padding."""
        self.mask = two_dimensional(named.get("attention_mask"))
        self.decoder_mask = two_dimensional(named.get("decoder_attention_mask"))
        if torch.compiler.is_compiling():
            return  # a count would be taken for a constant, and every pass compiled anew
        self._passes += 1
        if self._unseen and self._passes % LOOK_EVERY == 0:
            self._look()

    def weights(self, layer: str, tokens: int, like: Tensor) -> Tensor | None:
        """Return 1 for tokens that count in a layer and 0 for padding, shape (tokens,); None where it is unknown."""
        mask = self.decoder_mask if self.encoder_decoder and sees_decoder(layer) else self.mask
        if mask is None or mask.numel() != tokens:
            return None
        return mask.reshape(-1).to(device=like.device, dtype=like.dtype)

    @contextmanager
    def observed_by(self, observer: Observer) -> Iterator[None]:
        """Let `observer` listen while the block runs."""
        self.observers.append(observer)
        try:
            yield
        finally:
            self.observers.remove(observer)

    def tell(self, layer: str, adapter: str, choice: Choice) -> None:
        """Call the observers."""
        if not self.observers:
            return
        gates_TE, probabilities_TE, chosen_TE = (part.detach() for part in choice)
        weights_T = self.weights(layer, len(gates_TE), like=gates_TE)
        for observer in self.observers:
            observer(layer, adapter, gates_TE, probabilities_TE, chosen_TE, weights_T)

    def extra_loss(
        self, layer: str, routing: Routing, choice: Choice, logits_TE: Tensor
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return the load-balance term without a gradient, and what to descend on; None where there is none."""
        if not (routing.balance or routing.z_loss):
            return None, None
        self._warn_of_accumulation()
        _, probabilities_TE, chosen_TE = choice
        weights_T = self.weights(layer, len(chosen_TE), like=probabilities_TE)
        part: Tensor | float = 1.0
        if spread(self.group):
            balance, part = load_balance_across(probabilities_TE, chosen_TE, weights_T, self.group)
        else:
            balance = load_balance(probabilities_TE, chosen_TE, weights_T)
        loss = balance * (routing.balance * self.scale)
        if routing.z_loss:
            loss = loss + z_loss(logits_TE, weights_T) * (routing.z_loss * self.scale * part)
        return balance.detach(), loss

    def _warn_of_accumulation(self) -> None:
        """Say once that the loss is divided among accumulated batches and the routers' terms are not."""
        if self._warned or self.scale != 1.0 or torch.compiler.is_compiling():
            return
        # accelerate's word, false for every batch of a step but the last: a Trainer keeps it too
        if not GradientState().sync_gradients:
            self._warned = True
            warnings.warn(
                "The routers' load-balance term and z-loss are not divided by the number of accumulated batches, as "
                "the loss is: RoutingContext.scale = 1.0. Give the Trainer callbacks=[ScaleRouting()] from "
                "mezzofanti.adapters, or set the scale in a loop of your own.",
                stacklevel=2,
            )

    def watch(self, layer: str, adapter: str, logits_TE: Tensor) -> None:
        """Raise `ConfigurationError` where a router's logits are not finite: at once on a CPU.

        Elsewhere one sum a router stays on the device, and all are looked at together every `LOOK_EVERY` passes, so
        that the host does not wait at each step. Compiled code is not watched, nor is padding, of which some
        attention makes NaN.
        """
        if torch.compiler.is_compiling():
            return
        weights_T = self.weights(layer, len(logits_TE), like=logits_TE)
        if weights_T is not None:
            logits_TE = logits_TE.masked_fill(weights_T[:, None] == 0, 0)
        total = logits_TE.detach().sum(dtype=torch.float32)
        if logits_TE.device.type == "cpu":
            _refuse_unless_finite(layer, adapter, total.item())
        elif not logits_TE.is_meta:
            self._unseen[layer, adapter] = total

    def _look(self) -> None:
        names, totals = list(self._unseen), [total.cpu() for total in self._unseen.values()]
        self._unseen.clear()
        for (layer, adapter), total in zip(names, torch.stack(totals).tolist(), strict=True):
            _refuse_unless_finite(layer, adapter, total)


def contexts_of(model: nn.Module) -> list[RoutingContext]:
    """Return what the routers of `model` share: one context, more where its parts were adapted by themselves."""
    held = (getattr(module, "context", None) for module in model.modules())
    return list({id(one): one for one in held if isinstance(one, RoutingContext)}.values())


def _refuse_unless_finite(layer: str, adapter: str, total: float) -> None:
    if not math.isfinite(total):
        raise ConfigurationError(
            f"The router of {layer or 'a layer'} (adapter {adapter!r}) gave logits that sum to {total}.",
            cure="Training has diverged there: go back to the last checkpoint and lower the learning rate, clip "
            "gradients or leave float16 for bfloat16; router_z_loss_coef = 0.001 keeps the logits small.",
        )
