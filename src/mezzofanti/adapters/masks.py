"""Which padding mask speaks of the tokens that a layer sees."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

__all__ = ["CROSS_ATTENTION", "sees_decoder", "two_dimensional"]

CROSS_ATTENTION = re.compile(r"cross_?att|encoder_(decoder_)?att|encdecatt", re.IGNORECASE)
"""How transformers' models call attention whose keys and values come from elsewhere."""


def two_dimensional(mask: Any) -> Tensor | None:
    """Return a mask of rows and tokens as it is, None for any other: those say nothing about padding."""
    return mask if isinstance(mask, Tensor) and mask.dim() == 2 else None


def sees_decoder(layer: str) -> bool:
    """Say whether a layer of an encoder-decoder sees the decoder's tokens: cross-attention's keys and values do not."""
    from_encoder = CROSS_ATTENTION.search(layer) and layer.rpartition(".")[2].startswith(("k", "v"))
    return "decoder" in layer.split(".") and not from_encoder
