"""How far a fold is from the routed adapter it stands for: in next-token distributions, and in a score of your own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from mezzofanti.adapters.folding.calibration import Batch, run
from mezzofanti.adapters.folding.weights import Factors, layers_of
from mezzofanti.answering import answering
from mezzofanti.errors import ConfigurationError

__all__ = ["FoldLoss", "Score", "divergence", "measure", "standing_in", "token_log_probabilities"]

Score = Callable[[Any], float]
MEANS = ("kl", "kl_base", "agreement", "nll_routed", "nll_folded", "nll_base")


@dataclass(frozen=True)
class FoldLoss:
    """What folding lost, on `tokens` predictions of `rows` rows.

    Attributes:
        kl: Mean KL(routed || folded) a token, in nats.
        kl_base: Mean KL(routed || base): what losing the whole adapter would be.
        agreement: Share of tokens where both find the same next token likeliest.
        nll_routed, nll_folded, nll_base: Mean negative log-likelihood of the rows' own next token, in nats.
        held_out: Whether the rows are others than those the fold was calibrated on.
        score_routed, score_folded: What `score=` said of each; None where it was not given.
    """

    rows: int
    tokens: int
    kl: float
    kl_base: float
    agreement: float
    nll_routed: float
    nll_folded: float
    nll_base: float
    held_out: bool
    score_routed: float | None = None
    score_folded: float | None = None


Answering = Callable[[Tensor], Tensor]
"""What stands in for a mixture: takes a layer's input (..., I), returns what is added to the base's answer (..., O)."""


@contextmanager
def standing_in(model: nn.Module, answers: Mapping[str, Answering]) -> Iterator[None]:
    """Let the base answer, and in each named layer add what `answers` says, instead of any mixture."""
    layers = layers_of(model)
    before = {name: layer._disable_adapters for name, layer in layers.items()}

    def hook_of(added: Answering) -> Any:
        return lambda module, arguments, answer: (answer + added(arguments[0])).to(answer.dtype)

    handles = [layers[name].register_forward_hook(hook_of(added)) for name, added in answers.items()]
    for layer in layers.values():
        layer._disable_adapters = True
    try:
        yield
    finally:
        for name, layer in layers.items():
            layer._disable_adapters = before[name]
        for handle in handles:
            handle.remove()


def plain(factors: Factors) -> Answering:
    """B A x, computed as PEFT's LoRA does: in the adapter's own precision."""
    return lambda x: linear(linear(x.to(factors.A.dtype), factors.A), factors.B)


def token_log_probabilities(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities (P, words) of the P predictions that count, float32, and the right words (P).

    Counted are predictions of tokens with a label, or where there are no `labels` of all tokens but padding.
    """
    logits = run(model, batch)
    words = batch["input_ids"].to(logits.device)
    if "labels" in batch:
        counted = batch["labels"].to(logits.device) >= 0
    else:
        counted = batch.get("attention_mask", torch.ones_like(words)).to(logits.device).bool()
    if "attention_mask" in batch:  # with padding on the left, the first token follows nothing
        counted = counted & batch["attention_mask"].to(logits.device).bool().roll(1, dims=1)
    return logits[:, :-1][counted[:, 1:]].float().log_softmax(-1), words[:, 1:][counted[:, 1:]]


def divergence(first: Tensor, second: Tensor) -> Tensor:
    """Return sum over tokens of KL(first || second), nats, from log-probabilities (P, words)."""
    return (first.exp() * (first - second)).sum(-1, dtype=torch.float64).sum()


@torch.no_grad()
def measure(
    model: nn.Module,
    factors: Mapping[str, Factors],
    batches: Sequence[Batch],
    held_out: bool,
    score: Score | None = None,
) -> FoldLoss:
    """Compare the routed model with its fold on `batches`, and by `score(model)` where one is given.

    Raises `ConfigurationError` where the batches hold no prediction that counts.
    """
    answers = {name: plain(one) for name, one in factors.items()}
    with answering(model):
        sums = sum(
            (_sums(model, answers, batch) for batch in batches),
            torch.zeros(1 + len(MEANS), dtype=torch.float64),
        )
        scores = (None, None) if score is None else _scores(model, answers, score)
    tokens = int(sums[0])
    if not tokens:
        raise ConfigurationError(
            "fold: the rows to measure on hold no token that counts.",
            cure="Give held_out= rows of two tokens at least.",
        )
    rows = sum(len(batch["input_ids"]) for batch in batches)
    means = dict(zip(MEANS, (sums[1:] / tokens).tolist(), strict=True))
    return FoldLoss(
        rows=rows,
        tokens=tokens,
        held_out=held_out,
        score_routed=scores[0],
        score_folded=scores[1],
        **means,
    )


def _sums(model: nn.Module, answers: Mapping[str, Answering], batch: Batch) -> Tensor:
    routed, words = token_log_probabilities(model, batch)
    with standing_in(model, answers):
        folded, _ = token_log_probabilities(model, batch)
    with standing_in(model, {}):
        base, _ = token_log_probabilities(model, batch)
    agreed = (routed.argmax(-1) == folded.argmax(-1)).sum()
    likelihoods = [
        -one.gather(-1, words.unsqueeze(-1)).sum(dtype=torch.float64) for one in (routed, folded, base)
    ]
    found = [divergence(routed, folded), divergence(routed, base), agreed, *likelihoods]
    return torch.tensor([len(words), *map(float, found)], dtype=torch.float64)


def _scores(model: nn.Module, answers: Mapping[str, Answering], score: Score) -> tuple[float, float]:
    routed = float(score(model))
    with standing_in(model, answers):
        return routed, float(score(model))
