"""What a routed adapter does on given rows, layer by layer, in one pass: what folding needs to know of it.

With s = S_A x and h = (G(x) repeated over each expert's rows) * (P s), the routed answer is B h. A fold replaces h by
C s. Two choices of C, from means over the tokens that count:

- *mean gates*: C = diag(E[G]) P;
- *regression*: C = E[h s^T] (E[s s^T])^-1, which makes E ||h - C s||^2 least, whatever B is. Few rows would fit their
  own noise, so what it adds to the mean gates is shrunk along each principal direction v of s by the positive part of
  1 - noise / signal (James and Stein, 1961), with r = h - diag(E[G]) P s: signal = ||E[r s^T] v||^2 / E[(s^T v)^2],
  noise = the variance that is left of r, over the number of tokens.

Shape letters: see `routing`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mezzofanti.adapters.folding.weights import Mixture, layers_of, mixtures_of, not_finite
from mezzofanti.answering import answering
from mezzofanti.errors import ConfigurationError

__all__ = ["Batch", "Moments", "batches_of", "calibrate"]

Batch = Mapping[str, Tensor]
"""`input_ids` (rows, tokens), `attention_mask` where rows are padded, `labels` where some tokens matter more."""

NEGLIGIBLE = 1e-9
"""Directions of s with less than this share of the largest variance tell nothing."""


@dataclass
class Moments:
    """Sums over the tokens that count, in float64."""

    tokens: float
    gates_E: Tensor
    shared_DD: Tensor
    hidden_FD: Tensor
    energy: float

    @property
    def mean_gates(self) -> Tensor:
        """E[G] (E)."""
        return self.gates_E / self.tokens

    def regression(self, mixture: Mixture) -> Tensor:
        """Return the C (F, D) that predicts h from s best, so far as the tokens can tell."""
        start_FD = mixture.gated(self.mean_gates)
        variances_D, directions_DD = torch.linalg.eigh(self.shared_DD / self.tokens)
        told_D = variances_D > NEGLIGIBLE * variances_D[-1].clamp(min=torch.finfo(torch.float64).tiny)
        safe_D = torch.where(told_D, variances_D, 1.0)
        rest_FD = (self.hidden_FD - start_FD @ self.shared_DD) / self.tokens @ directions_DD
        signal_D = torch.where(told_D, rest_FD.square().sum(0) / safe_D, 0.0)
        noise = self._left_over(start_FD, signal_D) / self.tokens
        kept_D = torch.where(signal_D > noise, 1 - noise / signal_D, 0.0)
        mixed_FD: Tensor = start_FD + (rest_FD / safe_D * kept_D) @ directions_DD.mT
        return mixed_FD

    def _left_over(self, start_FD: Tensor, signal_D: Tensor) -> Tensor:
        """The variance of h that neither the mean gates nor the regression explains, a token."""
        of_start = (start_FD @ self.shared_DD - 2 * self.hidden_FD).mul(start_FD).sum()
        rest = (self.energy + of_start) / self.tokens
        free = self.tokens - len(signal_D)
        # no more tokens than directions: the fit would be perfect, and say nothing of the noise
        left: Tensor = (rest - signal_D.sum()).clamp(min=0) * self.tokens / free if free > 0 else rest
        return left


class _Listener:
    """Adds up the moments of every layer while a model runs: its router says the gates, a hook the input."""

    def __init__(self, mixtures: Mapping[str, Mixture]) -> None:
        self.mixtures = mixtures
        self.moments: dict[str, Moments] = {}
        self.heard: dict[str, tuple[Tensor, Tensor | None]] = {}

    def hear(self, layer: str, adapter: str, gates_TE: Tensor, *more: Tensor | None) -> None:
        """Keep what a router chose until the layer has answered (`routing.Observer`)."""
        self.heard[layer] = gates_TE, more[-1]

    def add(self, name: str, heard_as: str, input_TI: Tensor) -> None:
        """Add the tokens of one pass through the layer `name`."""
        mixture = self.mixtures[name]
        gates_TE, weights_T = self.heard.pop(heard_as)
        gates_TE = gates_TE.double()
        weights_T = gates_TE.new_ones(len(gates_TE)) if weights_T is None else weights_T.double()
        rank = mixture.coefficients_FD.shape[0] // mixture.experts
        shared_TD = input_TI.reshape(len(gates_TE), -1).double() @ mixture.shared_DI.mT
        hidden_TF = (shared_TD @ mixture.coefficients_FD.mT) * gates_TE.repeat_interleave(rank, dim=-1)
        weighted_TD = weights_T.unsqueeze(-1) * shared_TD
        found = Moments(
            float(weights_T.sum()),
            weights_T @ gates_TE,
            weighted_TD.mT @ shared_TD,
            hidden_TF.mT @ weighted_TD,
            float(weights_T @ hidden_TF.square().sum(-1)),
        )
        known = self.moments.get(name)
        self.moments[name] = found if known is None else _sum(known, found)


def _sum(one: Moments, other: Moments) -> Moments:
    return Moments(*(getattr(one, name) + getattr(other, name) for name in Moments.__dataclass_fields__))


@contextmanager
def _listening(model: nn.Module, adapter: str, listener: _Listener) -> Iterator[None]:
    layers = {name: layer for name, layer in layers_of(model).items() if name in listener.mixtures}
    contexts = {id(layer.context): layer.context for layer in layers.values()}.values()

    def hook_of(name: str, heard_as: str) -> Any:
        return lambda module, arguments, answer: listener.add(name, heard_as, arguments[0])

    handles = [layer.register_forward_hook(hook_of(name, layer.layer_name)) for name, layer in layers.items()]
    try:
        with ExitStack() as stack:
            for context in contexts:
                stack.enter_context(context.observed_by(listener.hear))
            yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def calibrate(model: nn.Module, adapter: str, batches: Sequence[Batch]) -> dict[str, Moments]:
    """Run `batches` through the routed model and return the moments of every layer with `adapter`.

    Padding is left out where a batch has a two-dimensional `attention_mask`. The model answers as in use: without
    dropout. Raises `ConfigurationError` where there is nothing to calibrate on, or what a router says is no number.
    """
    listener = _Listener(mixtures_of(model, adapter))
    with answering(model), _listening(model, adapter, listener):
        for batch in batches:
            run(model, batch)
    if not listener.moments or min(found.tokens for found in listener.moments.values()) < 1:
        raise ConfigurationError(
            "fold: there is no token to calibrate on.",
            cure="Give calibration= at least one row; a hundred are a good number.",
        )
    for layer, found in listener.moments.items():
        for what, total in (("inputs", found.shared_DD.sum()), ("gates", found.gates_E.sum())):
            if not total.isfinite():
                raise not_finite(layer, what, total)
    return listener.moments


def run(model: nn.Module, batch: Batch) -> Tensor:
    """Return the logits (rows, tokens, words) of a batch."""
    device = next(model.parameters()).device
    given = {name: batch[name].to(device) for name in ("input_ids", "attention_mask") if name in batch}
    logits: Tensor = model(**given, use_cache=False).logits
    return logits


def batches_of(texts: Sequence[str], tokenizer: Any, *, size: int = 8, max_length: int = 1024) -> list[Batch]:
    """Encode texts in batches of `size` rows, padded on the right. Texts longer than `max_length` tokens are cut."""
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return [
        tokenizer(
            list(texts[start : start + size]),
            return_tensors="pt",
            padding=True,
            padding_side="right",
            truncation=True,
            max_length=max_length,
        ).data
        for start in range(0, len(texts), size)
    ]
