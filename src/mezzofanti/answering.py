"""A model as in use: without dropout and without what layers do in training alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["answering"]


@contextmanager
def answering(model: nn.Module) -> Iterator[None]:
    """Put `model` in evaluation mode while the block runs; afterwards it is as it was."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
