"""Sequential: one adapter, one task after another, nothing against forgetting. The floor (SeqLoRA in the papers)."""

from __future__ import annotations

from mezzofanti.continual.methods.base import Method

__all__ = ["Sequential"]


class Sequential(Method):
    """Plain fine-tuning. Seams used: none. Works in an unmodified `SFTTrainer`: it is one."""

    name = "sequential"
