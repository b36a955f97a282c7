"""What a Trainer knows and a layer does not: by what its extra loss has to be multiplied."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import TrainerCallback

from mezzofanti.adapters.layer import MixtureLayer
from mezzofanti.adapters.routing import RoutingContext
from mezzofanti.errors import ConfigurationError

__all__ = ["ScaleRouting"]


class ScaleRouting(TrainerCallback):
    """Keeps `RoutingContext.scale` right in `Trainer` and `SFTTrainer`: `callbacks=[ScaleRouting()]`.

    A step of a Trainer is the mean over its accumulated batches, and under float16 the loss is multiplied before the
    backward pass and the gradients divided after it. The routers' terms are added inside the layers, so they need both
    factors. Without gradient accumulation and float16 the scale is 1 and this callback is not needed.

    Raises:
        ConfigurationError: the model has no mixture (when training begins).
    """

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **named: Any) -> None:
        """Divide by the number of accumulated batches."""
        self._contexts = _contexts(model)
        self._set(args, named.get("optimizer"))

    def on_step_begin(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        """Follow the float16 scaler, whose factor changes."""
        self._set(args, named.get("optimizer"))

    def on_train_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        """Leave the scale as it is by itself."""
        for context in self._contexts:
            context.scale = 1.0

    def _set(self, args: Any, optimizer: Any) -> None:
        scaler = getattr(optimizer, "scaler", None)
        factor = scaler.get_scale() if scaler is not None else 1.0
        for context in self._contexts:
            context.scale = factor / args.gradient_accumulation_steps


def _contexts(model: nn.Module) -> list[RoutingContext]:
    contexts = {id(m.context): m.context for m in model.modules() if isinstance(m, MixtureLayer)}
    if not contexts:
        raise ConfigurationError(
            "ScaleRouting: the model has no router.", cure="Leave the callback out, or give a MaloraConfig."
        )
    return list(contexts.values())
