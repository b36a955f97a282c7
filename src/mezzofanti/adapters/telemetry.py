"""What the routers of an adapter do: how even the load is, how sure they are, which experts nobody chooses.

    trainer = SFTTrainer(..., peft_config=MaloraConfig(), callbacks=[RoutingTelemetry("routing.jsonl")])
    tally = measure_routing(model, batches)      # one group of texts, such as one language
    tally.load()["model.layers.0.self_attn.q_proj"]

Load of an expert: its share of the chosen slots, counted over tokens that are not padding; 1 / E each where the load
is even. Entropy: that of a token's softmax over all E experts, divided by log E, so that 1 is undecided and 0 is sure.
A dead expert is one that no counted token chose. Experts of different layers have nothing to do with each other, so
nothing here adds them up across layers.

Shape letters: see `routing`. With gradient checkpointing each token is counted twice, which leaves all shares alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback

from mezzofanti.adapters.routing import RoutingContext
from mezzofanti.answering import answering
from mezzofanti.errors import ConfigurationError
from mezzofanti.files import append_jsonl

__all__ = ["RoutingTally", "RoutingTelemetry", "measure_routing", "routing_context"]

IGNORED = -100


@dataclass
class _Sums:
    slots_E: Tensor
    entropy: Tensor
    tokens: Tensor

    def add(self, slots_E: Tensor, entropy: Tensor, tokens: Tensor) -> None:
        self.slots_E += slots_E
        self.entropy += entropy
        self.tokens += tokens


@dataclass
class RoutingTally:
    """Sums over tokens, one entry a router. Its `observe` is an observer of `RoutingContext`.

    Attributes:
        weights: Which tokens count, flattened (T,), instead of the attention mask; None: the mask.
    """

    weights: Tensor | None = None
    _sums: dict[str, _Sums] = field(default_factory=dict, repr=False)

    def observe(
        self,
        layer: str,
        adapter: str,
        gates_TE: Tensor,
        probabilities_TE: Tensor,
        chosen_TE: Tensor,
        weights_T: Tensor | None,
    ) -> None:
        """Count one forward pass of one router. No value leaves the device here."""
        if self.weights is not None:
            weights_T = self.weights.to(probabilities_TE)
        elif weights_T is None:
            weights_T = torch.ones_like(probabilities_TE[:, 0])
        entropy_T = torch.special.entr(probabilities_TE).sum(dim=-1)
        new = _Sums(weights_T @ chosen_TE, torch.dot(weights_T, entropy_T), weights_T.sum())
        if layer in self._sums:
            self._sums[layer].add(new.slots_E, new.entropy, new.tokens)
        else:
            self._sums[layer] = new

    def clear(self) -> None:
        """Begin anew."""
        self._sums.clear()

    def load(self) -> dict[str, list[float]]:
        """Return each router's E shares of the chosen slots, which sum to 1; routers that saw no token are left out."""
        return {
            layer: (sums.slots_E / sums.slots_E.sum()).tolist()
            for layer, sums in self._sums.items()
            if sums.tokens > 0
        }

    def entropy(self) -> dict[str, float]:
        """Return each router's mean entropy over tokens, in 0..1."""
        return {
            layer: (sums.entropy / sums.tokens).item() / math.log(max(len(sums.slots_E), 2))
            for layer, sums in self._sums.items()
            if sums.tokens > 0
        }

    def summary(self) -> dict[str, float]:
        """Return four figures over all routers; empty where nothing was counted.

        `routing_entropy`: mean over routers. `routing_load_max`: the largest load of a router, mean over routers.
        `routing_dead_experts`: how many experts of all routers nobody chose, of `routing_experts` in all.
        """
        loads, entropies = list(self.load().values()), list(self.entropy().values())
        if not loads:
            return {}
        return {
            "routing_entropy": sum(entropies) / len(entropies),
            "routing_load_max": sum(map(max, loads)) / len(loads),
            "routing_dead_experts": sum(share == 0.0 for load in loads for share in load),
            "routing_experts": sum(map(len, loads)),
        }


def routing_context(model: nn.Module) -> RoutingContext:
    """Return what the routers of `model` share; `ConfigurationError` where it has none."""
    for module in model.modules():
        context = getattr(module, "context", None)
        if isinstance(context, RoutingContext):
            return context
    raise ConfigurationError(
        "The model has no router to watch.", cure="Put a MaloraConfig adapter on it with get_peft_model."
    )


@torch.no_grad()
def measure_routing(model: Any, batches: Iterable[Mapping[str, Tensor]]) -> RoutingTally:
    """Read `batches` once, without training, and return what the routers chose.

    A batch holds what the model's forward takes (`input_ids`, `attention_mask`, ...). Where it holds `labels`, only
    tokens with a label count (with -100 as "no label"), which are the words of the answer; they are not passed on.
    """
    tally, context = RoutingTally(), routing_context(model)
    with answering(model), context.observed_by(tally.observe):
        for batch in batches:
            named = {name: value.to(model.device) for name, value in batch.items()}
            labels = named.pop("labels", None)
            tally.weights = None if labels is None else (labels != IGNORED).reshape(-1)
            model(**named)
    return tally


class RoutingTelemetry(TrainerCallback):
    """Adds the summary of a `RoutingTally` to every log of a `Trainer` that has a loss.

    The four figures are those since the log before: in `state.log_history` (so in `trainer_state.json`), and, with
    `path`, as one JSON line a log, with the load of every router beside them.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.tally = RoutingTally()
        self._context: RoutingContext | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Begin to listen; `ConfigurationError` where the model has no router."""
        self._context = routing_context(model)
        self.tally.clear()
        if self.tally.observe not in self._context.observers:
            self._context.observers.append(self.tally.observe)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Add the figures since the log before."""
        if not logs or "loss" not in logs:
            return
        summary = self.tally.summary()
        logs.update(summary)
        state.log_history[-1].update(summary)
        if self.path is not None:
            append_jsonl(self.path, {"step": state.global_step, **summary, "load": self.tally.load()})
        self.tally.clear()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop listening."""
        if self._context is not None and self.tally.observe in self._context.observers:
            self._context.observers.remove(self.tally.observe)
        self._context = None
