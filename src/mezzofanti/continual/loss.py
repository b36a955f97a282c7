"""The causal loss with the head only where there is something to learn.

The value and gradients of `model(**inputs).loss`; but logits are made at labelled positions alone. On short lessons
three tokens of four are prompt, and the head over a vocabulary of 49,152 is a quarter of a small model's work.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from mezzofanti.continual.encoding import IGNORE

__all__ = ["labelled_loss"]


# settings of models that change logits after the head (Gemma 2 and 3, Granite, Cohere): their own forward is used
RESCALED = ("final_logit_softcapping", "logits_scaling", "logit_scale")
# `use_cache=False` below: beside a cache, transformers does not tell the rows of one sequence apart
READ = ("input_ids", "attention_mask", "position_ids")


def labelled_loss(model: Any, inputs: dict[str, Tensor], num_items: Tensor | int | None = None) -> Tensor:
    """Cross-entropy of `inputs` (`input_ids`, `labels`, and `attention_mask` or `position_ids`, each B x T); a scalar.

    The mean over labelled tokens, or their sum over `num_items` as `Trainer` counts them across accumulation.
    """
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    if any(getattr(causal.config, name, None) for name in RESCALED):
        return _whole_loss(model, inputs, num_items)
    hidden_BTD = causal.base_model(
        **{name: inputs[name] for name in READ if name in inputs}, use_cache=False
    )[0]
    labels_BT = inputs["labels"][:, 1:]
    keep_BT = labels_BT != IGNORE
    logits_NV = causal.get_output_embeddings()(hidden_BTD[:, :-1][keep_BT]).float()
    total: Tensor = cross_entropy(logits_NV, labels_BT[keep_BT], reduction="sum")
    count = keep_BT.sum() if num_items is None else num_items
    return total / torch.as_tensor(count, device=total.device)


def _whole_loss(model: Any, inputs: dict[str, Tensor], num_items: Tensor | int | None) -> Tensor:
    more = {} if num_items is None else {"num_items_in_batch": num_items}
    loss: Tensor = model(**inputs, **more, use_cache=False).loss
    return loss
