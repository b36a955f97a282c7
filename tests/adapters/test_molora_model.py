"""MoLoRA in a whole model: it is a mixture of PEFT's own LoRAs, and PEFT handles it as it handles them."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mezzofanti.adapters import MaloraConfig, MoloraConfig
from mezzofanti.adapters.molora_layer import MoloraLayer
from mezzofanti.errors import ConfigurationError

pytestmark = pytest.mark.timeout(900)  # fresh processes, on a busy machine too

LOAD = """
import sys
from pathlib import Path
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from peft import AutoPeftModelForCausalLM
import mezzofanti.adapters
base, adapter, work = map(Path, sys.argv[1:])
tokens = load_file(work / "tokens.safetensors")["tokens"]
models = {
    "peft": AutoPeftModelForCausalLM.from_pretrained(adapter),
    "transformers": AutoModelForCausalLM.from_pretrained(base),
}
models["transformers"].load_adapter(str(adapter))
save_file({name: model.eval()(tokens).logits for name, model in models.items()}, work / "logits.safetensors")
"""


@pytest.fixture
def settings(small: dict[str, Any]) -> dict[str, Any]:
    """Settings that fit the tiny model."""
    return {name: value for name, value in small.items() if name != "shared_rank"}


@pytest.fixture
def mixture(tiny_model: Any, settings: dict[str, Any]) -> Any:
    """The tiny model with an adapter whose B is random."""
    torch.manual_seed(1)
    return get_peft_model(tiny_model, MoloraConfig(**settings, init_molora_weights=False))


def _layers(model: nn.Module) -> list[MoloraLayer]:
    return [module for module in model.modules() if isinstance(module, MoloraLayer)]


def test_it_starts_as_the_identity_with_stacked_weights(
    tiny_model: Any, settings: dict[str, Any], tokens: Tensor
) -> None:
    before = tiny_model(tokens).logits
    model = get_peft_model(tiny_model, MoloraConfig(**settings))
    assert torch.equal(model(tokens).logits, before)
    assert len(_layers(model)) == 6
    for layer in _layers(model):
        assert layer.molora_A["default"].weight.shape == (16, layer.in_features)
        assert layer.molora_B["default"].weight.shape == (layer.out_features, 16)
        assert layer.molora_router["default"].weight.shape == (4, layer.in_features)


def test_one_expert_is_pefts_lora(tiny_model: Any, settings: dict[str, Any], tokens: Tensor) -> None:
    """With one expert its gate is 1: the answer and the gradients are those of a LoRA with the same A and B."""
    settings = {**settings, "num_experts": 1, "top_k": 1}
    mixture = get_peft_model(copy.deepcopy(tiny_model), MoloraConfig(**settings, init_molora_weights=False))
    names = ("task_type", "r", "lora_alpha", "target_modules")
    lora = get_peft_model(tiny_model, LoraConfig(**{name: settings[name] for name in names}))
    modules = dict(lora.named_modules())
    for name, layer in mixture.named_modules():
        if isinstance(layer, MoloraLayer):
            modules[name].lora_A["default"].weight.data = layer.molora_A["default"].weight.data.clone()
            modules[name].lora_B["default"].weight.data = layer.molora_B["default"].weight.data.clone()
    torch.testing.assert_close(mixture(tokens).logits, lora(tokens).logits, rtol=1e-5, atol=1e-5)
    for model in (mixture, lora):
        model(input_ids=tokens, labels=tokens).loss.backward()
    for name, layer in mixture.named_modules():
        if isinstance(layer, MoloraLayer):
            for letter in "AB":
                own = layer.weight_of(letter, "default").grad
                expected = getattr(modules[name], f"lora_{letter}")["default"].weight.grad
                torch.testing.assert_close(own, expected, rtol=1e-3, atol=1e-6)


def test_malora_with_shared_rows_of_its_own_is_a_molora(
    tiny_model: Any, settings: dict[str, Any], tokens: Tensor
) -> None:
    """A MALoRA with S_A of N * r rows and P_t that picks expert t's rows answers as MoLoRA does."""
    settings = {**settings, "target_modules": ["q_proj"], "r": 2}
    molora = get_peft_model(copy.deepcopy(tiny_model), MoloraConfig(**settings, init_molora_weights=False))
    malora = get_peft_model(tiny_model, MaloraConfig(**settings, shared_rank=8))
    modules = dict(molora.named_modules())
    for name, layer in malora.named_modules():
        if hasattr(layer, "malora_S"):
            other = modules[name]
            layer.malora_S["default"].weight.data = other.molora_A["default"].weight.data.clone()
            layer.malora_P["default"].weight.data = torch.eye(8)
            layer.malora_B["default"].weight.data = other.molora_B["default"].weight.data.clone()
            layer.malora_router["default"].weight.data = other.molora_router["default"].weight.data.clone()
    torch.testing.assert_close(malora(tokens).logits, molora(tokens).logits, rtol=1e-5, atol=1e-5)


def test_a_fresh_process_answers_to_the_bit(
    mixture: Any, tiny_base: Path, tmp_path: Path, tokens: Tensor
) -> None:
    expected = mixture.eval()(tokens).logits
    mixture.save_pretrained(tmp_path / "adapter")
    assert "KeyError: 'MOLORA'" in (tmp_path / "adapter" / "README.md").read_text("utf-8")
    save_file({"tokens": tokens}, tmp_path / "tokens.safetensors")
    command = [sys.executable, "-c", LOAD, str(tiny_base), str(tmp_path / "adapter"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=880, check=False)
    assert done.returncode == 0, done.stderr
    for name, answer in load_file(tmp_path / "logits.safetensors").items():
        assert torch.equal(answer, expected), name


def test_adapters_come_go_and_are_switched(
    mixture: Any, settings: dict[str, Any], tokens: Tensor, tmp_path: Path
) -> None:
    first = mixture(tokens).logits
    other = MoloraConfig(**{**settings, "r": 2, "num_experts": 3, "init_molora_weights": False})
    mixture.add_adapter("other", other)
    assert torch.equal(mixture(tokens).logits, first)
    mixture.set_adapter("other")
    second = mixture(tokens).logits
    assert not torch.allclose(first, second)
    mixture.save_pretrained(tmp_path)
    mixture.set_adapter("default")
    mixture.delete_adapter("other")
    assert torch.equal(mixture(tokens).logits, first)
    mixture.load_adapter(str(tmp_path / "other"), "again")
    mixture.set_adapter("again")
    assert torch.equal(mixture(tokens).logits, second)
    with mixture.disable_adapter():
        base = mixture(tokens).logits
    assert torch.equal(mixture.unload()(tokens).logits, base)


def test_it_is_not_merged_and_its_rank_fits_the_map(
    mixture: Any, tiny_base: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="A routed MoLoRA adapter cannot be merged"):
        mixture.merge_and_unload()
    base = mixture.unload()
    with pytest.raises(
        ConfigurationError, match=r"MoloraConfig: rank r = 64 is above the 48 input features of .*q_proj"
    ):
        get_peft_model(base, MoloraConfig(**{**settings, "r": 64}))


def test_checkpointing_changes_nothing_and_every_weight_gets_a_gradient(mixture: Any, tokens: Tensor) -> None:
    def gradients() -> dict[str, Tensor]:
        mixture.zero_grad()
        mixture(input_ids=tokens, labels=tokens, use_cache=False).loss.backward()
        return {
            name: weight.grad.clone() for name, weight in mixture.named_parameters() if weight.requires_grad
        }

    mixture.train()
    plain = gradients()
    assert len(plain) == 6 * 3
    mixture.activation_checkpointing_enable({"use_reentrant": False})
    mixture.enable_input_require_grads()
    for name, gradient in gradients().items():
        torch.testing.assert_close(gradient, plain[name], rtol=1e-4, atol=1e-7)


def test_loaded_over_a_frozen_base_it_trains(
    mixture: Any, tiny_base: Path, tmp_path: Path, tokens: Tensor
) -> None:
    from transformers import AutoModelForCausalLM

    mixture.save_pretrained(tmp_path)
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny_base), tmp_path, is_trainable=True
    )
    model(input_ids=tokens, labels=tokens).loss.backward()
    assert all(weight.grad is not None for weight in model.parameters() if weight.requires_grad)
