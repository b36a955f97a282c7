"""Batches without padding: rows lie behind one another in one sequence, and none sees another.

Positions begin anew with every row, from which transformers reads where a row ends. A base that reads them otherwise
(one with a state instead of attention, or with masks of its own) would let rows leak into each other without a word,
so `check_rows_apart` tries it before the first step.
"""

from __future__ import annotations

from typing import Any

import torch

from mezzofanti.answering import answering
from mezzofanti.errors import ConfigurationError

__all__ = ["check_rows_apart", "flattening"]


def flattening() -> Any:
    """What makes one sequence of encoded rows: `input_ids`, `position_ids`, `labels`, each (1, tokens)."""
    from transformers import DataCollatorWithFlattening

    return DataCollatorWithFlattening()  # type: ignore[no-untyped-call]


@torch.no_grad()
def check_rows_apart(model: Any) -> None:
    """Raise `ConfigurationError` where `model` lets a row of a padding-free batch see the row before it."""
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    device = causal.get_input_embeddings().weight.device
    rows = torch.tensor([[1, 2, 3, 4, 5, 6, 7, 8], [5, 1, 4, 2, 3, 6, 7, 8]], device=device)
    positions = torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2]], device=device)
    with answering(causal):
        one, other = (
            causal.base_model(input_ids=row[None], position_ids=positions, use_cache=False)[0][:, 5:]
            for row in rows
        )
    # what a row adds to one that cannot see it is exactly nothing, whatever the type
    if not (one - other).abs().max() <= 4 * torch.finfo(one.dtype).eps * one.abs().max():
        raise ConfigurationError(
            f"{type(causal).__name__} lets rows of one padding-free batch see each other.",
            cure="Leave padding_free out of training.",
        )
