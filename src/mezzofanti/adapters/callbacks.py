"""What a Trainer knows and a layer does not: by what its extra loss has to be multiplied."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import TrainerCallback
from transformers.trainer_utils import has_length

from mezzofanti.adapters.routing import RoutingContext, contexts_of
from mezzofanti.errors import ConfigurationError

__all__ = ["ScaleRouting"]


class ScaleRouting(TrainerCallback):
    """Keeps `RoutingContext.scale` right in `Trainer` and `SFTTrainer`: `callbacks=[ScaleRouting()]`.

    A step of a Trainer is the mean over its accumulated batches, and under float16 the loss is multiplied before the
    backward pass and the gradients divided after it. The routers' terms are added inside the layers, so they need both
    factors. Without gradient accumulation and float16 the scale is 1 and this callback is not needed.

    The last step of an epoch may have fewer batches, and is divided by so many. Only where the data cannot say how
    many batches there are (a stream), it is divided like the others, and a shorter one has its terms weighed too low.

    Between steps the scale is 1. No callback is told of a step that was interrupted halfway: whoever trains that model
    on without this callback has to set `RoutingContext.scale` to 1 first.

    Raises:
        ConfigurationError: the model has no mixture (when training begins).
    """

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **named: Any) -> None:
        """Find the routers, and forget the scale of a step that was interrupted."""
        self._contexts = _contexts(model)
        self._reset()

    def on_step_begin(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        """Divide by the batches of this step, and follow the float16 scaler, whose factor changes."""
        scaler = getattr(named.get("optimizer"), "scaler", None)
        factor = scaler.get_scale() if scaler is not None else 1.0
        for context in self._contexts:
            context.scale = factor / _batches(args, state, named.get("train_dataloader"))

    def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        """Leave the scale as it is by itself: an interrupted training has no end that a callback is told of."""
        self._reset()

    def on_train_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:
        """Leave the scale as it is by itself."""
        self._reset()

    def _reset(self) -> None:
        for context in self._contexts:
            context.scale = 1.0


def _batches(args: Any, state: Any, loader: Any) -> int:
    """How many batches the step that begins accumulates: what the Trainer divides by, which no callback is told."""
    full: int = args.gradient_accumulation_steps
    if not has_length(loader):
        return full
    # after every step the Trainer writes to `state.epoch` which part of the epoch's batches is done
    done: int = round(state.epoch % 1 * len(loader))
    return max(1, min(full, len(loader) - done))


def _contexts(model: nn.Module) -> list[RoutingContext]:
    contexts = contexts_of(model)
    if not contexts:
        raise ConfigurationError(
            "ScaleRouting: the model has no router.", cure="Leave the callback out, or give a MaloraConfig."
        )
    return contexts
