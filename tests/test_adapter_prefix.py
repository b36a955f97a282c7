"""Layers below every adapter, remembered: the same loss and gradients as the whole model, in both kinds of batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.adapters.quality.prefix import FrozenPrefix
from transformers import AutoModelForCausalLM, AutoTokenizer

from mezzofanti.adapters import MaloraConfig
from mezzofanti.continual.encoding import collator
from mezzofanti.continual.loss import labelled_loss
from mezzofanti.continual.padding_free import check_rows_apart, flattening

ROWS = [{"input_ids": ids, "labels": ids} for ids in ([7, 8, 9, 10, 11, 12], [9, 8, 7], [21, 22, 23, 24])]


@pytest.fixture
def model(tiny_base: Path) -> Any:
    from peft import get_peft_model

    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.float32)
    config = MaloraConfig(
        r=4,
        lora_alpha=8,
        shared_rank=8,
        target_modules=["q_proj", "v_proj", "up_proj"],
        layers_to_transform=[1],
    )
    adapted = get_peft_model(base, config)
    for weight in adapted.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.1)
    return adapted.train()


def step(model: Any, inputs: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    loss = labelled_loss(model, inputs)
    loss.backward()
    return loss.detach(), {
        name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None
    }


@pytest.mark.parametrize("padding_free", [False, True])
def test_what_is_remembered_is_what_the_layers_make(
    model: Any, tiny_base: Path, tmp_path: Path, padding_free: bool
) -> None:
    collate = flattening() if padding_free else collator(AutoTokenizer.from_pretrained(tiny_base))
    inputs = collate([dict(row) for row in ROWS])
    loss, gradients = step(model, inputs)
    prefix = FrozenPrefix(model.get_base_model().model, 1, tmp_path / "lower.safetensors")
    prefix.learn(ROWS[:2])
    prefix.learn(ROWS)
    again = FrozenPrefix(model.get_base_model().model, 1, tmp_path / "lower.safetensors")
    assert len(again.known) == 3
    lower = model.get_base_model().model.layers[0]
    ran: list[int] = []
    lower.self_attn.register_forward_hook(lambda *_: ran.append(1))
    with again.applied():
        remembered, found = step(model, inputs)
        assert not ran
        check_rows_apart(model)  # answers: every layer runs, on rows nobody learned
        assert ran
    torch.testing.assert_close(remembered, loss, rtol=1e-5, atol=1e-6)
    assert found.keys() == gradients.keys()
    for name in found:
        torch.testing.assert_close(found[name], gradients[name], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(step(model, inputs)[0], loss)  # as before, once the block is left


def test_a_row_that_was_not_learned_is_not_trained_on(model: Any, tmp_path: Path) -> None:
    prefix = FrozenPrefix(model.get_base_model().model, 1, tmp_path / "lower.safetensors")
    prefix.learn(ROWS[:1])
    with prefix.applied(), pytest.raises(KeyError):
        step(model, flattening()([dict(row) for row in ROWS]))
