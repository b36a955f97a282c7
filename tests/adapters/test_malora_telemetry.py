"""What is said of the routers is what they did."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Trainer, TrainerState, TrainingArguments

from mezzofanti.adapters import MaloraConfig
from mezzofanti.adapters.malora_layer import MaloraLayer
from mezzofanti.adapters.telemetry import RoutingTally, RoutingTelemetry, measure_routing, routing_context
from mezzofanti.errors import ConfigurationError
from mezzofanti.files import read_jsonl

Q_PROJ = "model.layers.0.self_attn.q_proj"


def by_hand(model: Any, tokens: Tensor, counts: Tensor) -> tuple[list[float], float]:
    """Load and entropy of the first layer's query router, token by token."""
    layer = next(
        m for name, m in model.named_modules() if name.endswith(Q_PROJ) and isinstance(m, MaloraLayer)
    )
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    with torch.no_grad():
        model(input_ids=tokens)
    handle.remove()
    slots, entropies = [0.0] * 4, []
    for vector, counted in zip(seen[0].reshape(-1, seen[0].shape[-1]), counts.reshape(-1), strict=True):
        if counted:
            chances = (layer.malora_router["default"].weight @ vector).softmax(-1).tolist()
            for expert in sorted(range(4), key=lambda e: -chances[e])[:2]:
                slots[expert] += 1
            entropies.append(-sum(c * math.log(c) for c in chances) / math.log(4))
    return [slot / sum(slots) for slot in slots], sum(entropies) / len(entropies)


def test_the_tally_is_the_count_by_hand(adapted: Any, tokens: Tensor) -> None:
    adapted.eval()
    tally = measure_routing(adapted, [{"input_ids": tokens}])
    load, entropy = by_hand(adapted, tokens, torch.ones_like(tokens))
    assert tally.load()[Q_PROJ] == pytest.approx(load)
    assert tally.entropy()[Q_PROJ] == pytest.approx(entropy, abs=1e-5)
    assert len(tally.load()) == sum(isinstance(m, MaloraLayer) for m in adapted.modules())


def test_only_labelled_tokens_count(adapted: Any, tokens: Tensor) -> None:
    labels = tokens.clone()
    labels[:, :6] = -100
    tally = measure_routing(adapted.eval(), [{"input_ids": tokens, "labels": labels}])
    load, _ = by_hand(adapted, tokens, labels != -100)
    assert tally.load()[Q_PROJ] == pytest.approx(load)


def test_padding_does_not_count(adapted: Any, tokens: Tensor) -> None:
    adapted.eval()
    mask = torch.ones_like(tokens)
    mask[:, 6:] = 0
    padded = measure_routing(adapted, [{"input_ids": tokens, "attention_mask": mask}])
    short = measure_routing(adapted, [{"input_ids": tokens[:, :6]}])
    assert padded.load()[Q_PROJ] == pytest.approx(short.load()[Q_PROJ])


def test_two_batches_are_one(adapted: Any, tokens: Tensor) -> None:
    adapted.eval()
    both = measure_routing(adapted, [{"input_ids": tokens[:1]}, {"input_ids": tokens[1:]}])
    once = measure_routing(adapted, [{"input_ids": tokens}])
    assert both.summary() == pytest.approx(once.summary())


def test_a_dead_expert_is_counted() -> None:
    tally = RoutingTally()
    probabilities = torch.tensor([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1]])
    chosen = torch.tensor([[1.0, 0, 0], [1.0, 0, 0]])
    tally.observe("layer", "default", probabilities * chosen, probabilities, chosen, None)
    summary = tally.summary()
    assert summary["routing_dead_experts"] == 2
    assert summary["routing_experts"] == 3
    assert summary["routing_load_max"] == 1.0
    assert 0 < summary["routing_entropy"] < 1


def test_nothing_counted_says_nothing(adapted: Any, tokens: Tensor) -> None:
    unlabelled = torch.full_like(tokens, -100)
    tally = measure_routing(adapted.eval(), [{"input_ids": tokens, "labels": unlabelled}])
    assert tally.load() == {}
    assert tally.summary() == {}


def test_measuring_leaves_no_listener_and_the_mode_as_it_was(adapted: Any, tokens: Tensor) -> None:
    adapted.train()
    measure_routing(adapted, [{"input_ids": tokens}])
    assert adapted.training
    assert routing_context(adapted).observers == []


def test_a_model_without_routers_is_refused(tiny_model: Any) -> None:
    with pytest.raises(ConfigurationError, match="no router"):
        measure_routing(tiny_model, [])


@pytest.mark.parametrize("experts", [4, 6])
def test_two_active_adapters_are_refused(
    adapted: Any, small: dict[str, Any], tokens: Tensor, experts: int
) -> None:
    """Of equal size their sums would be added, of unequal size they could not."""
    adapted.add_adapter("other", MaloraConfig(**{**small, "num_experts": experts}))
    adapted.base_model.set_adapter(["default", "other"])
    with pytest.raises(
        ConfigurationError, match=rf"{Q_PROJ} has answered with two: 'default' and 'other'"
    ) as caught:
        measure_routing(adapted.eval(), [{"input_ids": tokens}])
    assert "set_adapter('default')" in caught.value.cure
    adapted.base_model.set_adapter(["other"])
    assert len(measure_routing(adapted, [{"input_ids": tokens}]).load()[Q_PROJ]) == experts


@pytest.mark.parametrize(
    ("batches", "said"),
    [
        ({"input_ids": torch.ones(1, 3, dtype=torch.long)}, "batches is of type dict, not several batches"),
        ("Où est la gare ?", "batches is of type str, not several batches"),
        (None, "batches is of type NoneType, not several batches"),
        ([[4, 5, 6]], "batches[0] is of type list, not a batch"),
        (["Elle est loin."], "batches[0] is of type str, not a batch"),
        ([{"input_ids": [[4, 5, 6]]}], "batches[0]['input_ids'] is of type list, not a tensor"),
    ],
)
def test_what_is_no_batch_is_named(adapted: Any, batches: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        measure_routing(adapted, batches)
    assert said in caught.value.message
    assert "mapping of names to tensors" in caught.value.cure
    assert routing_context(adapted).observers == []


def test_an_interrupted_training_leaves_no_listener_for_the_next(adapted: Any) -> None:
    """Two of one training stay: they have its state in common."""
    interrupted, first, second = (RoutingTelemetry() for _ in range(3))
    context, state = routing_context(adapted), TrainerState()
    interrupted.on_train_begin(None, TrainerState(), None, model=adapted)
    for telemetry in (first, second):
        telemetry.on_train_begin(None, state, None, model=adapted)
    assert [observer.__self__ for observer in context.observers] == [first, second]
    for telemetry in (first, second):
        telemetry.on_train_end(None, state, None)
    assert context.observers == []


def test_a_trainer_logs_it(adapted: Any, tmp_path: Path) -> None:
    rows = [{"input_ids": [4 + n, 9, 11, 5], "labels": [4 + n, 9, 11, 5]} for n in range(8)]
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=2,
        per_device_train_batch_size=4,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
    )
    path = tmp_path / "routing.jsonl"
    trainer = Trainer(model=adapted, args=arguments, train_dataset=rows, callbacks=[RoutingTelemetry(path)])
    trainer.train()
    logged = [row for row in trainer.state.log_history if "loss" in row]
    written = list(read_jsonl(path))
    assert [row["step"] for row in written] == [1, 2]
    for log, row in zip(logged, written, strict=True):
        assert log["routing_entropy"] == row["routing_entropy"]
        assert sum(row["load"][Q_PROJ]) == pytest.approx(1.0)
    # four rows of four tokens, two experts a token: a step's shares are multiples of 1 / 32
    assert all((share * 32) % 1 == pytest.approx(0) for share in written[1]["load"][Q_PROJ])
    assert routing_context(adapted).observers == []
