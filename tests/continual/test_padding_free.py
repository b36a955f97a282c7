"""Rows in one sequence: the loss and the gradients of a padded batch, and a base that mixes rows is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, set_seed

from mezzofanti.adapters import MaloraConfig
from mezzofanti.continual.encoding import collator, encode_messages, use_training_template
from mezzofanti.continual.loss import labelled_loss
from mezzofanti.continual.methods import create
from mezzofanti.continual.padding_free import check_rows_apart, flattening
from mezzofanti.continual.settings import TrainingSettings
from mezzofanti.continual.training import train
from mezzofanti.errors import ConfigurationError

FAMILIES = {
    "llama": {"num_key_value_heads": 2, "intermediate_size": 48},
    "qwen2": {"num_key_value_heads": 2, "intermediate_size": 48},
    "gemma2": {"num_key_value_heads": 2, "intermediate_size": 48, "head_dim": 8},
    "gpt2": {},
}


def rows(tokenizer: Any, count: int = 5) -> list[dict[str, Any]]:
    use_training_template(tokenizer)
    return [
        encode_messages(
            [{"role": "user", "content": "ab" * (1 + 7 * number)}, {"role": "assistant", "content": "c" * number}],
            tokenizer,
        )
        for number in range(1, count + 1)
    ]  # fmt: skip


def family(name: str, vocabulary: int) -> Any:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": vocabulary}
    config = AutoConfig.for_model(name, **sizes, **FAMILIES[name], bos_token_id=0, eos_token_id=0)
    set_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()  # without GPT-2's dropout


def adapted(model: Any, kind: str) -> Any:
    config: Any = LoraConfig(target_modules="all-linear", fan_in_fan_out=model.config.model_type == "gpt2")
    if kind == "malora":
        config = MaloraConfig(r=2, shared_rank=4, num_experts=3, top_k=2, target_modules="all-linear")
    set_seed(1)
    model = get_peft_model(model, config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad and "_B" in name:
                weight.normal_(0, 0.05)
    return model


def gradients(model: Any, batch: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    loss = labelled_loss(model, dict(batch))
    loss.backward()
    return loss.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("name", "kind"), [*((name, "lora") for name in FAMILIES), ("llama", "malora")])
def test_the_gradients_of_a_padded_batch(name: str, kind: str, tiny_tokenizer: Any) -> None:
    lessons = rows(tiny_tokenizer)
    model = adapted(family(name, len(tiny_tokenizer)), kind)
    loss, expected = gradients(model, collator(tiny_tokenizer)([dict(row) for row in lessons]))
    flat = flattening()([dict(row) for row in lessons])
    assert flat["input_ids"].shape == (1, sum(len(row["input_ids"]) for row in lessons))
    found_loss, found = gradients(model, flat)
    torch.testing.assert_close(found_loss, loss)
    assert found.keys() == expected.keys()
    for weight, gradient in found.items():
        torch.testing.assert_close(gradient, expected[weight], rtol=1e-3, atol=1e-6)


def test_a_base_that_lets_rows_see_each_other_is_refused(tiny_model: Any) -> None:
    check_rows_apart(tiny_model)
    body = tiny_model.base_model
    forward = body.forward

    def without_positions(**named: Any) -> Any:
        return forward(**{name: given for name, given in named.items() if name != "position_ids"})

    body.forward = without_positions
    with pytest.raises(ConfigurationError, match="see each other") as caught:
        check_rows_apart(tiny_model)
    assert "padding_free" in str(caught.value.cure)


def test_training_ends_with_the_same_weights(tiny_base: Path, tiny_tokenizer: Any, tmp_path: Path) -> None:
    lessons = rows(tiny_tokenizer, 6)
    batches = [lessons[:3], lessons[3:], lessons[1:4]]
    ends = []
    for padding_free in (False, True):
        model = adapted(AutoModelForCausalLM.from_pretrained(tiny_base), "malora")
        settings = TrainingSettings(
            learning_rate=1e-3, per_device_train_batch_size=3, warmup_steps=0, padding_free=padding_free
        )
        method = create({"type": "sequential"})
        train(model, tiny_tokenizer, batches, method, settings, work=tmp_path / str(padding_free), seed=0)
        ends.append([weight.detach() for weight in model.parameters() if weight.requires_grad])
    for padded, flat in zip(*ends, strict=True):
        torch.testing.assert_close(flat, padded, rtol=1e-3, atol=2e-5)
