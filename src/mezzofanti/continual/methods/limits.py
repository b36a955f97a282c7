"""What Recurrent-KIF cannot do: refused when training begins, or said."""

from __future__ import annotations

import warnings
from typing import Any

from mezzofanti.errors import ConfigurationError

__all__ = ["refuse_unsupported", "warn_of_no_round"]


def refuse_unsupported(args: Any) -> None:
    """Raise `ConfigurationError` where gradients, as the training arguments have them, cannot be read."""
    if args.world_size > 1 or args.n_gpu > 1:
        raise ConfigurationError(
            "Recurrent-KIF reads gradients of one process, several run.",
            cure="Start one process, with CUDA_VISIBLE_DEVICES=0.",
        )
    if args.fp16:
        raise ConfigurationError(
            "Recurrent-KIF does not train in fp16: gradients are scaled.", cure="Use bf16=True."
        )
    if args.deepspeed:
        raise ConfigurationError(
            "DeepSpeed clears gradients before they can be read.", cure="Train without DeepSpeed."
        )


def warn_of_no_round(steps: int, inner_steps: int) -> None:
    """Warn where a task with tasks before it is too short for a single round, which makes it plain fine-tuning."""
    if steps < inner_steps:
        warnings.warn(
            f"This task has {steps} optimizer steps and a round {inner_steps}: no round closes, nothing of the tasks "
            "before is fused in. Train longer, in smaller batches, or lower RecurrentKIF(inner_steps=...).",
            stacklevel=2,
        )
