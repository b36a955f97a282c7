"""What a training step is made of: a whole small model, or one block as wide as LLaMA-7B's.

All contestants share the base's weights, so that ten of them fit the memory that one needs, and no one has a base
that lies better than another's.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.adapters.contestants import TIME_RANK, config, freeze, matching_rank
from mezzofanti.bases import resolve
from mezzofanti.continual.encoding import IGNORE
from mezzofanti.continual.loss import labelled_loss

__all__ = ["WORKLOADS", "Racer", "Workload", "adapt", "racer"]

Loss = Callable[[Any], Tensor]


@dataclass(frozen=True)
class Workload:
    """A frozen base and the loss of one batch. `tokens` is B x T of it."""

    name: str
    what: str
    batch: int
    length: int
    build: Callable[[torch.dtype], Any]
    loss: Callable[[Any, int, int, torch.dtype], Loss]

    @property
    def tokens(self) -> int:
        """Tokens of one step."""
        return self.batch * self.length


def smollm2(dtype: torch.dtype) -> Any:
    """SmolLM2-135M as `mezzofanti.bases` brings it."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(resolve("smollm2-135m").path, dtype=dtype)


def lesson_loss(model: Any, batch: int, length: int, dtype: torch.dtype) -> Loss:
    """The causal loss of random tokens, a quarter of them to be learned, as in the school benchmark."""
    generator = torch.Generator().manual_seed(0)
    words = torch.randint(model.config.vocab_size, (batch, length), generator=generator)
    labels = words.clone()
    labels[:, : length - length // 4] = IGNORE
    inputs = {"input_ids": words, "attention_mask": torch.ones_like(words), "labels": labels}
    return lambda adapted: labelled_loss(adapted, inputs)


def wide_block(dtype: torch.dtype, *, hidden: int = 4096, inner: int = 11008, heads: int = 32) -> Any:
    """One decoder block of LLaMA-7B's widths with random weights, and a final norm."""
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=8,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=1,
        num_attention_heads=heads,
        num_key_value_heads=heads,
    )
    model: torch.nn.Module = LlamaModel(shape)
    return model.to(dtype)


def block_loss(model: Any, batch: int, length: int, dtype: torch.dtype) -> Loss:
    """The mean square of the block's answer; the gradient also flows to its input, as it does inside a model."""
    generator = torch.Generator().manual_seed(0)
    shape = (batch, length, model.config.hidden_size)
    given = torch.randn(shape, generator=generator).to(dtype).requires_grad_()

    def loss(adapted: Any) -> Tensor:
        given.grad = None
        answer: Tensor = adapted(inputs_embeds=given)[0]
        return answer.float().square().mean()

    return loss


WORKLOADS = {
    "smollm2-135m": Workload(
        "smollm2-135m",
        "whole training step of SmolLM2-135M, all 30 layers",
        4,
        64,
        smollm2,
        lesson_loss,
    ),
    "wide-block": Workload(
        "wide-block",
        "one block 4096 wide with an inner width of 11008, random weights",
        2,
        128,
        wide_block,
        block_loss,
    ),
}


class Racer:
    """One adapted model with its optimizer; `step` is what is timed."""

    def __init__(self, name: str, model: Any, loss: Loss) -> None:
        self.name, self.model, self.loss = name, model, loss
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        self.parameters = sum(weight.numel() for weight in weights)
        # fused, as transformers' Trainer takes it by default; it refuses an empty list, which a frozen base gives
        self.optimizer = torch.optim.AdamW(weights or [torch.zeros(())], lr=1e-4, fused=True)

    def step(self) -> float:
        """Forward, backward, AdamW; return the seconds it took."""
        started = time.perf_counter()
        torch.autograd.backward(self.loss(self.model))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - started

    def saved_bytes(self) -> int:
        """Count the bytes that autograd keeps for backward, weights not counted, each storage once."""
        weights = {weight.untyped_storage().data_ptr() for weight in self.model.parameters()}
        kept: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = self.loss(self.model)
        torch.autograd.backward(loss)
        self.optimizer.zero_grad(set_to_none=True)
        return sum(kept.values())


def adapt(name: str, base: Any, **options: Any) -> Any:
    """Adapt a copy of `base` that shares its weights; `options` are those of `contestants.config`."""
    from peft import get_peft_model

    shared = {id(tensor): tensor for tensor in [*base.parameters(), *base.buffers()]}
    own = copy.deepcopy(base, shared)
    torch.manual_seed(0)
    equal = matching_rank(own, options.get("layers"))
    return freeze(name, get_peft_model(own, config(name, equal=equal, **options))).train()


def racer(name: str, base: Any, workload: Workload, dtype: torch.dtype, dropout: float) -> Racer:
    """Enter one contestant for a workload whose base is `base`."""
    loss = workload.loss(base, workload.batch, workload.length, dtype)
    return Racer(name, adapt(name, base, dropout=dropout, time=TIME_RANK), loss)
