"""What the routers of an adapter do: how even the load is, how sure they are, which experts nobody chooses.

    trainer = SFTTrainer(..., peft_config=MaloraConfig(), callbacks=[RoutingTelemetry("routing.jsonl")])
    tally = measure_routing(model, batches)      # one group of texts, such as one language
    tally.load()["model.layers.0.self_attn.q_proj"]

Load of an expert: its share of the chosen slots, counted over tokens that are not padding; 1 / E each where the load
is even. Entropy: that of a token's softmax over all E experts, divided by log E, so that 1 is undecided and 0 is sure.
A dead expert is one that no counted token chose. Experts of different layers have nothing to do with each other, so
nothing here adds them up across layers.

Shape letters: see `routing`. With gradient checkpointing each token is counted twice, which leaves all shares alone.
With several processes `RoutingTelemetry` counts the tokens of all of them, `measure_routing` those of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, distributed, nn
from transformers import TrainerCallback

from mezzofanti.adapters.processes import spread
from mezzofanti.adapters.routing import RoutingContext, contexts_of
from mezzofanti.answering import answering
from mezzofanti.errors import ConfigurationError
from mezzofanti.files import append_jsonl

__all__ = ["RoutingTally", "RoutingTelemetry", "measure_routing", "routing_context"]

IGNORED = -100
A_BATCH = (
    "Give an iterable of batches, each a mapping of names to tensors as the model's forward takes them, such as "
    "[tokenizer(texts, padding=True, return_tensors='pt')]."
)


@dataclass
class _Sums:
    adapter: str
    slots_E: Tensor
    entropy: Tensor
    tokens: Tensor

    def add(self, new: _Sums) -> None:
        self.slots_E += new.slots_E
        self.entropy += new.entropy
        self.tokens += new.tokens

    def packed(self) -> Tensor:
        return torch.cat([self.slots_E, self.entropy.reshape(1), self.tokens.reshape(1)])

    @classmethod
    def unpacked(cls, adapter: str, packed: Tensor) -> _Sums:
        return cls(adapter, packed[:-2], packed[-2], packed[-1])


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
        """Count one forward pass of one router. No value leaves the device here.

        Raises:
            ConfigurationError: another adapter has been counted in this layer since the tally began.
        """
        if self.weights is not None:
            weights_T = self.weights.to(probabilities_TE)
        elif weights_T is None:
            weights_T = torch.ones_like(probabilities_TE[:, 0])
        entropy_T = torch.special.entr(probabilities_TE).sum(dim=-1)
        new = _Sums(adapter, weights_T @ chosen_TE, torch.dot(weights_T, entropy_T), weights_T.sum())
        if layer not in self._sums:
            self._sums[layer] = new
            return
        _refuse_another(layer, self._sums[layer].adapter, adapter)
        self._sums[layer].add(new)

    def over_processes(self, device: torch.device | str) -> RoutingTally:
        """Return the tally of all processes, the same in each; this one where there is no other process.

        All processes have to call it at the same moment, also one that counted nothing.

        Args:
            device: Where this process computes, from where the backend of torch.distributed can send.

        Raises:
            ConfigurationError: two processes have counted different adapters in one layer.
        """
        if not spread():
            return self
        routers = _routers_of_all(
            {name: (sums.adapter, len(sums.slots_E)) for name, sums in self._sums.items()}
        )
        parts = [
            self._sums[layer].packed().to(device, torch.float32)
            if layer in self._sums
            else torch.zeros(experts + 2, device=device)
            for layer, (_, experts) in routers.items()
        ]
        together = torch.cat([torch.zeros(0, device=device), *parts])
        distributed.all_reduce(together)
        wholes = zip(routers.items(), torch.split(together, [len(part) for part in parts]), strict=True)
        return RoutingTally(
            _sums={name: _Sums.unpacked(adapter, whole) for (name, (adapter, _)), whole in wholes}
        )

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


def _routers_of_all(mine: dict[str, tuple[str, int]]) -> dict[str, tuple[str, int]]:
    """Return adapter and number of experts by layer, of all processes, in one order everywhere."""
    everyone: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(everyone, mine)
    routers: dict[str, tuple[str, int]] = {}
    for layer, router in sorted(pair for each in everyone for pair in each.items()):
        _refuse_another(layer, routers.setdefault(layer, router)[0], router[0])
    return routers


def _refuse_another(layer: str, counted: str, adapter: str) -> None:
    if adapter != counted:
        raise ConfigurationError(
            f"Routing is counted for one adapter at a time, and {layer or 'a layer'} has answered with two: "
            f"{counted!r} and {adapter!r}.",
            cure=f"Activate one of them: model.base_model.set_adapter({counted!r}).",
        )


def routing_context(model: nn.Module) -> RoutingContext:
    """Return what the routers of `model` share; `ConfigurationError` where it has none."""
    found = contexts_of(model)
    if not found:
        raise ConfigurationError(
            "The model has no router to watch.", cure="Put a MaloraConfig adapter on it with get_peft_model."
        )
    return found[0]


@torch.no_grad()
def measure_routing(model: Any, batches: Iterable[Mapping[str, Tensor]]) -> RoutingTally:
    """Read `batches` once, without training, and return what the routers chose.

    A batch holds what the model's forward takes (`input_ids`, `attention_mask`, ...). Where it holds `labels`, only
    tokens with a label count (with -100 as "no label"), which are the words of the answer; they are not passed on.

    Raises:
        ConfigurationError: the model has no router or several active adapters, or `batches` holds no batches.
    """
    tally, context = RoutingTally(), routing_context(model)
    with answering(model), context.observed_by(tally.observe):
        for batch in _each(batches):
            named = {name: value.to(model.device) for name, value in batch.items()}
            labels = named.pop("labels", None)
            tally.weights = None if labels is None else (labels != IGNORED).reshape(-1)
            model(**named)
    return tally


def _each(batches: Any) -> Iterator[Mapping[str, Tensor]]:
    """Yield the batches; `ConfigurationError` at the first that is none, or where `batches` is itself one."""
    if isinstance(batches, Mapping | str | Tensor) or not isinstance(batches, Iterable):
        _refuse_batch("batches", batches, "several batches")
    for number, batch in enumerate(batches):
        if not isinstance(batch, Mapping):
            _refuse_batch(f"batches[{number}]", batch, "a batch")
        for name, value in batch.items():
            if not isinstance(value, Tensor):
                _refuse_batch(f"batches[{number}][{name!r}]", value, "a tensor")
        yield batch


def _refuse_batch(where: str, found: Any, wanted: str) -> NoReturn:
    raise ConfigurationError(
        f"measure_routing: {where} is of type {type(found).__name__}, not {wanted}.", cure=A_BATCH
    )


class RoutingTelemetry(TrainerCallback):
    """Adds the summary of a `RoutingTally` to every log of a `Trainer` that has a loss.

    The four figures are those since the log before: in `state.log_history` (so in `trainer_state.json`), and, with
    `path`, as one JSON line a log, with the load of every router beside them.

    In several processes the figures are those of all their tokens together, and the main process alone writes the file.
    All processes have to log the loss together, as a `Trainer` does: it gathers the loss at the same place.

    Raises:
        ConfigurationError: the model has no router (when training begins), or several active adapters (in a pass).
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.tally = RoutingTally()
        self._context: RoutingContext | None = None
        self._state: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        """Begin to listen; `ConfigurationError` where the model has no router."""
        self._context, self._state = routing_context(model), state
        self.tally.clear()
        observers = self._context.observers
        # a training that was interrupted has told nobody that it ended
        observers[:] = [one for one in observers if not _listens_to_another_training(one, state)]
        if self._observe not in observers:
            observers.append(self._observe)

    def _observe(self, *seen: Any) -> None:
        self.tally.observe(*seen)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Add the figures since the log before."""
        if not logs or "loss" not in logs:
            return
        whole = self.tally.over_processes(args.device)
        summary = whole.summary()
        logs.update(summary)
        state.log_history[-1].update(summary)
        if self.path is not None and state.is_world_process_zero:
            append_jsonl(self.path, {"step": state.global_step, **summary, "load": whole.load()})
        self.tally.clear()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stop listening."""
        if self._context is not None and self._observe in self._context.observers:
            self._context.observers.remove(self._observe)
        self._context = self._state = None


def _listens_to_another_training(observer: Any, state: Any) -> bool:
    """Whether it is a telemetry's, of a training with another state: those of one training share the state."""
    owner = getattr(observer, "__self__", None)
    return isinstance(owner, RoutingTelemetry) and owner._state is not state
