"""The fold in hand: a plain LoRA by layer, what it cost, and its way to the disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mezzofanti.adapters.folding.folder import lora_config, write_folder
from mezzofanti.adapters.folding.measure import FoldLoss, plain, standing_in
from mezzofanti.adapters.folding.weights import Factors

__all__ = ["Folded"]


@dataclass(repr=False)
class Folded:
    """A mixture made a plain LoRA.

    Attributes:
        factors: A (D, I) and B (O, D) by layer, named as in the base model; scale 1.
        gates: The fixed gates (E) by layer; empty for `how="regression"`, which fixes more than gates.
        how: "gates" (given), "mean", "regression" or "kl".
        loss: What was lost against the routed model; None where nothing was measured.
        truncation: Relative error of the cut to `rank=`, Frobenius norm, by layer; 0 where nothing was cut.
    """

    factors: dict[str, Factors]
    gates: dict[str, Tensor]
    how: str
    loss: FoldLoss | None
    truncation: dict[str, float]
    config: Any
    _model: nn.Module

    def __repr__(self) -> str:
        kl = "" if self.loss is None else f", KL {self.loss.kl:.3g}"
        return f"Folded(how={self.how!r}, rank {self.rank}, {len(self.factors)} layers{kl})"

    @property
    def rank(self) -> int:
        """The largest rank of a layer: the folder's `r`."""
        return max(one.rank for one in self.factors.values())

    @contextmanager
    def standing_in(self) -> Iterator[None]:
        """Let the model that was folded answer as the fold does while the block runs."""
        with standing_in(self._model, {name: plain(one) for name, one in self.factors.items()}):
            yield

    def save(self, folder: Path | str, *, base: str | None = None, title: str = "") -> Path:
        """Write an ordinary PEFT LoRA folder with a card, whole or not at all, and return it.

        `base` replaces the base model's name in it. Raises `ConfigurationError` where `folder` is something else
        than an adapter's folder.
        """
        config = lora_config(self._model, self.config, self.factors, base)
        return write_folder(Path(folder), config, self, title)
