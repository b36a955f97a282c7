"""MALoRA in a whole model: where it goes, what it leaves alone, and how PEFT handles it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Olmo2Config,
    Olmo2ForCausalLM,
)

from mezzofanti.adapters import MaloraConfig
from mezzofanti.adapters.malora_layer import MaloraLayer
from mezzofanti.errors import ConfigurationError

PAPER_TARGETS = ["q_proj", "k_proj", "v_proj", "up_proj", "down_proj", "gate_proj"]


def _layers(model: nn.Module) -> dict[str, MaloraLayer]:
    return {name: module for name, module in model.named_modules() if isinstance(module, MaloraLayer)}


def _trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def _gradients(model: nn.Module, tokens: Tensor, **more: Any) -> dict[str, Tensor]:
    model.zero_grad()
    model(input_ids=tokens, labels=tokens, use_cache=False, **more).loss.backward()
    return {
        name: weight.grad.clone() for name, weight in _trainable(model).items() if weight.grad is not None
    }


@pytest.mark.parametrize("start", [True, "svd", "qr"])
def test_it_starts_as_the_identity(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor, start: Any
) -> None:
    before = tiny_model(tokens).logits
    model = get_peft_model(tiny_model, MaloraConfig(**small, init_malora_weights=start))
    assert torch.equal(model(tokens).logits, before)


def test_parameters_are_as_many_as_the_formula_says(tiny_model: Any, small: dict[str, Any]) -> None:
    model = get_peft_model(tiny_model, MaloraConfig(**small))
    d, stacked, experts = small["shared_rank"], small["num_experts"] * small["r"], small["num_experts"]
    expected = 0
    for layer in _layers(model).values():
        n, m = layer.in_features, layer.out_features
        expected += d * n + stacked * m + stacked * d + experts * n
    assert sum(weight.numel() for weight in _trainable(model).values()) == expected
    assert len(_layers(model)) == 6
    assert all(weight.dim() == 2 and ".malora_" in name for name, weight in _trainable(model).items())


@pytest.mark.parametrize(
    ("r", "shared_rank", "millions", "share"), [(12, 32, 158.9, 2.30), (8, 22, 109.1, 1.59)]
)
def test_llama_2_7b_has_the_papers_share(r: int, shared_rank: int, millions: float, share: float) -> None:
    with torch.device("meta"):
        base = LlamaForCausalLM(LlamaConfig())
    config = MaloraConfig(r=r, shared_rank=shared_rank, target_modules=PAPER_TARGETS, task_type="CAUSAL_LM")
    adapter, whole = get_peft_model(base, config).get_nb_trainable_parameters()
    assert adapter / 1e6 == pytest.approx(millions, abs=0.05)
    assert 100 * adapter / whole == pytest.approx(share, abs=0.005)


def test_layers_and_modules_are_chosen_as_in_lora(tiny_model: Any, small: dict[str, Any]) -> None:
    choice = {"layers_to_transform": [1], "layers_pattern": "layers", "exclude_modules": ["v_proj"]}
    settings = {**small, **choice}
    malora = get_peft_model(copy.deepcopy(tiny_model), MaloraConfig(**settings))
    lora = get_peft_model(tiny_model, LoraConfig(target_modules=small["target_modules"], **choice))
    assert sorted(malora.targeted_module_names) == sorted(lora.targeted_module_names)
    assert len(_layers(malora)) == 2


def test_all_linear_and_patterns(tiny_model: Any, small: dict[str, Any]) -> None:
    settings = {
        **small,
        "target_modules": "all-linear",
        "rank_pattern": {"q_proj": 2},
        "alpha_pattern": {"k_proj": 4},
    }
    layers = _layers(get_peft_model(tiny_model, MaloraConfig(**settings)))
    assert len(layers) == 14
    for name, layer in layers.items():
        rank = 2 if name.endswith("q_proj") else 4
        assert layer.malora_B["default"].weight.shape == (layer.out_features, 4 * rank)
        assert layer.scaling["default"] == (4 if name.endswith("k_proj") else 8) / rank


def test_default_targets_are_loras(tiny_model: Any, small: dict[str, Any]) -> None:
    model = get_peft_model(tiny_model, MaloraConfig(**{**small, "target_modules": None}))
    assert {name.rpartition(".")[2] for name in _layers(model)} == {"q_proj", "v_proj"}


def test_mistakes_name_the_module(tiny_model: Any, small: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"query_proj.*Did you mean 'q_proj'\?"):
        get_peft_model(tiny_model, MaloraConfig(**{**small, "target_modules": ["query_proj"]}))
    with pytest.raises(
        ConfigurationError, match=r"shared_rank = 64 is above the 48 input features of .*q_proj"
    ):
        get_peft_model(tiny_model, MaloraConfig(**{**small, "shared_rank": 64, "target_modules": ["q_proj"]}))
    with pytest.raises(ConfigurationError, match=r"layers.0.input_layernorm is a LlamaRMSNorm, which"):
        get_peft_model(tiny_model, MaloraConfig(**{**small, "target_modules": ["input_layernorm"]}))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"layers_to_transform": [2]}, "MaloraConfig: .*there: layers_to_transform counts from 0"),
        (
            {"target_modules": ["norm"]},
            "MaloraConfig: target_modules: model.norm is a LlamaRMSNorm, .*exclude_modules",
        ),
    ],
)
def test_what_is_meant_and_cannot_be_adapted_is_named(
    tiny_model: Any, small: dict[str, Any], wrong: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        get_peft_model(tiny_model, MaloraConfig(**{**small, **wrong}))


def test_an_architecture_without_default_targets_is_named(small: dict[str, Any]) -> None:
    config = MaloraConfig(**{**small, "target_modules": None, "task_type": None})
    with pytest.raises(ConfigurationError, match=r"target_modules = None.* type 'custom'") as caught:
        get_peft_model(nn.Sequential(nn.Linear(8, 8), nn.ReLU()), config)
    assert caught.value.cure.endswith("linear modules (0), or give target_modules='all-linear'.")
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 4}
    base = Olmo2ForCausalLM(Olmo2Config(**sizes, vocab_size=9))
    with pytest.raises(ConfigurationError, match=r"MaloraConfig: .* 'olmo2'\..*\(down_proj, .*'all-linear'"):
        get_peft_model(base, config)
    assert config.target_modules is None


def test_a_routed_adapter_is_not_merged(adapted: Any, tokens: Tensor) -> None:
    before = adapted(tokens).logits
    for merge in (adapted.merge_and_unload, adapted.merge_adapter, adapted.base_model.merge_adapter):
        with pytest.raises(ConfigurationError, match="cannot be merged"):
            merge()
    assert torch.equal(adapted(tokens).logits, before)


def test_disable_and_unload_give_the_base_back(tiny_base: Any, adapted: Any, tokens: Tensor) -> None:
    base = LlamaForCausalLM.from_pretrained(tiny_base)(tokens).logits
    assert not torch.allclose(adapted(tokens).logits, base)
    with adapted.disable_adapter():
        assert torch.equal(adapted(tokens).logits, base)
    unloaded = adapted.unload()
    assert torch.equal(unloaded(tokens).logits, base)
    assert not unloaded._forward_pre_hooks


def test_two_adapters_keep_apart(adapted: Any, small: dict[str, Any], tokens: Tensor) -> None:
    first = adapted(tokens).logits
    other = MaloraConfig(**{**small, "r": 2, "num_experts": 3, "init_malora_weights": False})
    adapted.add_adapter("other", other)
    assert torch.equal(adapted(tokens).logits, first)
    assert all(".default" in name for name in _trainable(adapted))
    adapted.set_adapter("other")
    second = adapted(tokens).logits
    assert not torch.allclose(first, second)
    assert all(".other" in name for name in _trainable(adapted))
    adapted.base_model.set_adapter(["default", "other"])
    assert not torch.allclose(adapted(tokens).logits, second)
    adapted.set_adapter("default")
    adapted.delete_adapter("other")
    assert torch.equal(adapted(tokens).logits, first)
    assert not [name for name in adapted.state_dict() if "other" in name]


def test_both_active_add_up() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 6))
    config = {"r": 2, "shared_rank": 4, "num_experts": 2, "top_k": 1, "target_modules": ["0"]}
    peft = get_peft_model(model, MaloraConfig(**config, init_malora_weights=False))
    peft.add_adapter("other", MaloraConfig(**config, init_malora_weights=False))
    x, answers = torch.randn(5, 8), []
    for active in (["default"], ["other"], ["default", "other"]):
        peft.base_model.set_adapter(active)
        answers.append(peft(x) - model[0].base_layer(x))
    torch.testing.assert_close(answers[0] + answers[1], answers[2])


def test_other_modules_can_be_trained_too(tiny_model: Any, small: dict[str, Any], tokens: Tensor) -> None:
    tiny_model.config.tie_word_embeddings = False
    tiny_model.lm_head.weight = nn.Parameter(tiny_model.lm_head.weight.detach().clone())
    config = MaloraConfig(**small, modules_to_save=["lm_head"], trainable_token_indices=[7, 8])
    gradients = _gradients(get_peft_model(tiny_model, config), tokens)
    assert any("lm_head.modules_to_save" in name for name in gradients)
    assert any("trainable_tokens_delta" in name for name in gradients)
    assert any("malora_B" in name for name in gradients)


@pytest.mark.parametrize("autocast", [True, False])
def test_a_bfloat16_base_keeps_its_dtype(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor, autocast: bool
) -> None:
    config = MaloraConfig(**small, init_malora_weights=False)
    model = get_peft_model(tiny_model.to(torch.bfloat16), config, autocast_adapter_dtype=autocast)
    expected = torch.float32 if autocast else torch.bfloat16
    assert {weight.dtype for weight in _trainable(model).values()} == {expected}
    gradients = _gradients(model.train(), tokens)
    assert len(gradients) == 24
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    assert model(tokens).logits.dtype == torch.bfloat16


def test_autocast_is_close_to_float32(adapted: Any, tokens: Tensor) -> None:
    exact = adapted(tokens).logits
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(adapted(tokens).logits.float(), exact, rtol=0.1, atol=0.05)


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_changes_nothing(adapted: Any, tokens: Tensor, reentrant: bool) -> None:
    mask = torch.ones_like(tokens)
    mask[0, :4] = 0
    adapted.train()
    plain = _gradients(adapted, tokens, attention_mask=mask)
    adapted.activation_checkpointing_enable({"use_reentrant": reentrant})
    adapted.enable_input_require_grads()
    again = _gradients(adapted, tokens, attention_mask=mask)
    assert plain.keys() == again.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient, rtol=1e-5, atol=1e-8)


def test_every_weight_gets_a_gradient(adapted: Any, tokens: Tensor) -> None:
    """Also those of experts no token chose: so DistributedDataParallel finds no unused parameter."""
    assert _gradients(adapted.train(), tokens[:1, :1]).keys() == _trainable(adapted).keys()


def test_padding_does_not_move_the_load_balance(adapted: Any, tokens: Tensor) -> None:
    adapted.train()
    adapted(input_ids=tokens[:, :5], attention_mask=torch.ones(3, 5, dtype=torch.long))
    expected = adapted.base_model.load_balance()
    mask = torch.tensor([[1] * 5 + [0] * 4] * 3)
    adapted(input_ids=tokens, attention_mask=mask)
    assert adapted.base_model.load_balance() == pytest.approx(expected, abs=1e-5)
    adapted(input_ids=tokens)
    assert adapted.base_model.load_balance() != pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("reduction", "share"), [("mean", 6), ("sum", 1)])
def test_coefficient_is_shared_out(
    tiny_model: Any, small: dict[str, Any], reduction: Any, share: int
) -> None:
    config = MaloraConfig(**small, router_aux_loss_coef=0.6, router_aux_loss_reduction=reduction)
    layers = _layers(get_peft_model(tiny_model, config)).values()
    assert [layer.routing["default"].balance for layer in layers] == pytest.approx([0.6 / share] * 6)


def test_dropout_acts_in_training_only(tiny_model: Any, small: dict[str, Any], tokens: Tensor) -> None:
    model = get_peft_model(tiny_model, MaloraConfig(**small, init_malora_weights=False, lora_dropout=0.5))
    assert torch.equal(model.eval()(tokens).logits, model(tokens).logits)
    assert not torch.equal(model.train()(tokens).logits, model(tokens).logits)


def test_conv1d_of_gpt2(tokens: Tensor) -> None:
    torch.manual_seed(0)
    base = GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=260, n_positions=16)).eval()
    before = base(tokens).logits
    config = MaloraConfig(r=2, shared_rank=8, num_experts=4, task_type="CAUSAL_LM", target_modules=["c_attn"])
    model = get_peft_model(base, config)
    assert torch.equal(model(tokens).logits, before)
    (layer,) = _layers(model).values()
    assert layer.malora_B["default"].weight.shape == (48, 8)
    assert all(gradient.isfinite().all() for gradient in _gradients(model, tokens).values())


def test_edits_in_place_take_effect_at_once(adapted: Any, tokens: Tensor) -> None:
    """Continual methods read every trainable weight and write it back between steps."""
    before = adapted(tokens).logits
    saved = {name: weight.detach().clone() for name, weight in _trainable(adapted).items()}
    with torch.no_grad():
        for weight in _trainable(adapted).values():
            weight.mul_(0.5)
    assert not torch.allclose(adapted(tokens).logits, before)
    with torch.no_grad():
        for name, weight in _trainable(adapted).items():
            weight.copy_(saved[name])
    assert torch.equal(adapted(tokens).logits, before)


def test_a_copy_is_independent(adapted: Any, tokens: Tensor) -> None:
    twin = copy.deepcopy(adapted)
    assert torch.equal(twin(tokens).logits, adapted(tokens).logits)
    twin(input_ids=tokens, attention_mask=torch.ones_like(tokens))
    assert twin.base_model.routing_context.mask is not None
    assert adapted.base_model.routing_context.mask is None
    assert all(layer.context is twin.base_model.routing_context for layer in _layers(twin).values())
