"""Who learns and from what: the base with its tokenizer, and rows made batches; for training and for timing alike."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.adapters.quality.setting import Lessons, Setting
from mezzofanti.bases import resolve
from mezzofanti.continual.encoding import encode, use_training_template

__all__ = ["adapted_layers", "base_model", "encoded_rows", "mixed_batches", "tokenizer_of"]


def tokenizer_of(setting: Setting) -> Any:
    """The base's tokenizer, with a padding token and a template that marks what is learned."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(resolve(setting.base).path)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    use_training_template(tokenizer)
    return tokenizer


def base_model(setting: Setting) -> Any:
    """The base, in the type that is fast on this machine."""
    from transformers import AutoModelForCausalLM

    fast = torch.cpu._is_avx512_bf16_supported() and setting.training.dtype != "float32"
    dtype = torch.bfloat16 if fast else torch.float32
    return AutoModelForCausalLM.from_pretrained(resolve(setting.base).path, dtype=dtype)


def adapted_layers(setting: Setting, model: Any) -> list[int]:
    """The numbers of the layers that carry an adapter."""
    count = model.config.num_hidden_layers
    return list(range(count // 2 if setting.upper_half else 0, count))


def encoded_rows(setting: Setting, lessons: Lessons, tokenizer: Any) -> tuple[list[Any], int]:
    """The rows of all tasks as tokens, and how many were too long and left out."""
    rows = [row for task in lessons.rows.values() for row in task]
    return encode(rows, tokenizer, max_length=setting.training.max_length)


def mixed_batches(rows: Sequence[Any], epochs: int, size: int, seed: int) -> list[list[Any]]:
    """Return whole batches over `epochs` shuffles of all rows: every batch is a sample of the mixture.

    Sorting by length would spare padding and make batches of one task each, on which a load-balance loss would
    press every task over all experts.
    """
    draw = random.Random(seed)
    order: list[Any] = []
    for _ in range(epochs):
        order += draw.sample(list(rows), len(rows))
    return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
