"""A fold is the routed model with fixed gates, written as a plain LoRA: here, in PEFT, and merged."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from mezzofanti.adapters import MaloraConfig, fold
from mezzofanti.adapters.folding.weights import Factors, layers_of, truncate
from mezzofanti.adapters.routing import RoutingContext
from mezzofanti.errors import ConfigurationError

GATES = [0.5, 0.0, 0.3, 0.1]


@pytest.fixture
def fix_gates(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[float]], None]:
    """From now on every router answers with these gates, whatever it reads: the slow, obvious reference."""
    from mezzofanti.adapters import layer, routing

    real = routing.gate

    def of(gates: list[float]) -> None:
        def fixed(logits_TE: Tensor, *rest: Any, **more: Any) -> Any:
            gates_TE, *others = real(logits_TE, *rest, **more)
            return (torch.tensor(gates).expand_as(gates_TE).to(gates_TE), *others)

        monkeypatch.setattr(layer, "gate", fixed)

    return of


def _batches(tokens: Tensor) -> list[dict[str, Tensor]]:
    mask = torch.ones_like(tokens)
    mask[0, 5:] = 0
    return [{"input_ids": tokens, "attention_mask": mask}]


def test_a_fold_is_the_model_with_fixed_gates(
    adapted: Any, tokens: Tensor, fix_gates: Callable[[list[float]], None]
) -> None:
    folded = fold(adapted, gates=GATES)
    with folded.standing_in():
        answer = adapted(tokens).logits
    routed = adapted(tokens).logits
    fix_gates(GATES)
    torch.testing.assert_close(answer, adapted(tokens).logits, rtol=1e-6, atol=1e-6)
    assert (answer - routed).abs().max() > 1e-3


def test_each_layer_equals_its_fixed_gates(adapted: Any, fix_gates: Callable[[list[float]], None]) -> None:
    factors = fold(adapted, gates=GATES).factors
    fix_gates(GATES)
    for name, layer in layers_of(adapted).items():
        x = torch.randn(5, layer.in_features)
        expected = layer(x) - layer.get_base_layer()(x)
        torch.testing.assert_close(x @ factors[name].A.T @ factors[name].B.T, expected, rtol=1e-5, atol=1e-6)
        assert torch.equal(factors[name].A, layer.malora_S["default"].weight.float())


def test_plain_peft_loads_it_to_the_same_answer(
    adapted: Any, tiny_base: Path, tmp_path: Path, tokens: Tensor
) -> None:
    folded = fold(adapted, gates=GATES)
    folder = folded.save(tmp_path / "fr", base=str(tiny_base))
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), folder)
    assert type(loaded.peft_config["default"]) is LoraConfig
    with folded.standing_in():
        torch.testing.assert_close(loaded(tokens).logits, adapted(tokens).logits, rtol=1e-6, atol=1e-6)
    assert loaded.peft_config["default"].target_modules == {"q_proj", "v_proj", "down_proj"}


def test_merged_it_is_a_dense_model(
    adapted: Any, tiny_base: Path, tmp_path: Path, tokens: Tensor, fix_gates: Callable[[list[float]], None]
) -> None:
    folder = fold(adapted, gates=GATES).save(tmp_path / "fr", base=str(tiny_base))
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), folder)
    dense = loaded.merge_and_unload()
    assert not [name for name, _ in dense.named_parameters() if "lora" in name]
    fix_gates(GATES)
    torch.testing.assert_close(dense(tokens).logits, adapted(tokens).logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stem", ["transformer.h.0.attn.c_attn", "transformer.h.1.mlp.c_proj"])
def test_conv1d_folds_too(
    tokens: Tensor, tmp_path: Path, stem: str, fix_gates: Callable[[list[float]], None]
) -> None:
    torch.manual_seed(0)
    base = GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=260, n_positions=16)).eval()
    config = MaloraConfig(r=2, shared_rank=8, num_experts=4, task_type="CAUSAL_LM", target_modules=[stem])
    config.init_malora_weights = False
    model = get_peft_model(copy.deepcopy(base), config).eval()
    folder = fold(model, gates=GATES).save(tmp_path / "gpt", base="gpt2")
    loaded = PeftModel.from_pretrained(base, folder)
    assert json.loads((folder / "adapter_config.json").read_text())["fan_in_fan_out"] is True
    assert set(layers_of(model)) == {stem}
    fix_gates(GATES)
    torch.testing.assert_close(loaded(tokens).logits, model(tokens).logits, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "more",
    [
        {"layers_to_transform": [1]},
        {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 16}},
        {"target_modules": ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"]},
        {"use_rslora": True},
    ],
)
def test_some_layers_and_patterns_come_out_right(
    tiny_model: Any, tiny_base: Path, small: dict[str, Any], tokens: Tensor, tmp_path: Path, more: Any
) -> None:
    torch.manual_seed(0)
    model = get_peft_model(tiny_model, MaloraConfig(**{**small, **more}, init_malora_weights=False)).eval()
    folded = fold(model, gates=GATES)
    folder = folded.save(tmp_path / "some")
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), folder)
    assert len(load_file(folder / "adapter_model.safetensors")) == 2 * len(layers_of(model))
    assert sum("lora_A" in name for name, _ in loaded.named_parameters()) == len(layers_of(model))
    with folded.standing_in():
        torch.testing.assert_close(loaded(tokens).logits, model(tokens).logits, rtol=1e-6, atol=1e-6)


def test_cut_layers_of_unlike_rank_are_filled_up(
    adapted: Any, tiny_base: Path, tmp_path: Path, tokens: Tensor
) -> None:
    folded = fold(adapted, gates=GATES)
    name = "model.layers.0.self_attn.q_proj"
    folded.factors[name] = truncate(folded.factors[name], 2)[0]
    folder = folded.save(tmp_path / "unlike")
    assert {
        w.shape[0] for k, w in load_file(folder / "adapter_model.safetensors").items() if "lora_A" in k
    } == {6}
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), folder)
    with folded.standing_in():
        torch.testing.assert_close(loaded(tokens).logits, adapted(tokens).logits, rtol=1e-6, atol=1e-6)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 7), st.integers(1, 8), st.integers(0, 99))
def test_truncation_is_the_best_and_says_its_error(
    outputs: int, inputs: int, rank: int, kept: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    factors = Factors(
        torch.randn(rank, inputs, generator=generator), torch.randn(outputs, rank, generator=generator)
    )
    cut, lost = truncate(factors, kept)
    whole = factors.B.double() @ factors.A.double()
    values = torch.linalg.svdvals(whole)
    expected = float((values[kept:].square().sum() / values.square().sum()).sqrt())
    found = float(torch.linalg.norm(whole - cut.B.double() @ cut.A.double()) / torch.linalg.norm(whole))
    assert lost == pytest.approx(expected, abs=1e-6)
    assert found == pytest.approx(expected, abs=1e-5)
    assert cut.rank == min(rank, kept)


def test_a_cut_fold_reports_its_error(adapted: Any, tmp_path: Path) -> None:
    folded = fold(adapted, gates=GATES, rank=2)
    assert folded.rank == 2
    assert all(0 < lost < 1 for lost in folded.truncation.values())
    text = (folded.save(tmp_path / "cut") / "README.md").read_text("utf-8")
    assert "Cut to rank 2 by a truncated SVD: relative error 0." in text
    assert fold(adapted, gates=GATES, rank=6).truncation == dict.fromkeys(layers_of(adapted), 0.0)


def test_a_fold_is_printed_in_a_line(adapted: Any, tokens: Tensor) -> None:
    layers = len(layers_of(adapted))
    assert repr(fold(adapted, gates=GATES)) == f"Folded(how='gates', rank 6, {layers} layers)"
    folded = fold(adapted, calibration=_batches(tokens), rank=2)
    assert folded.loss is not None
    assert str(folded) == f"Folded(how='regression', rank 2, {layers} layers, KL {folded.loss.kl:.3g})"


def test_the_model_is_left_as_it_was(adapted: Any, tokens: Tensor) -> None:
    before = adapted.train()(tokens).logits
    wanted = {name for name, weight in adapted.named_parameters() if weight.requires_grad}
    folded = fold(adapted, calibration=_batches(tokens), how="kl", steps=2)
    with folded.standing_in():
        assert not torch.equal(adapted(tokens).logits, before)
    assert torch.equal(adapted(tokens).logits, before)
    assert {name for name, weight in adapted.named_parameters() if weight.requires_grad} == wanted
    assert adapted.training
    assert all(weight.grad is None for weight in adapted.parameters())
    assert not adapted.base_model.routing_context.observers
    assert not any(layer._forward_hooks for layer in layers_of(adapted).values())


def test_a_bfloat16_base_folds(tiny_model: Any, small: dict[str, Any], tokens: Tensor) -> None:
    torch.manual_seed(0)
    config = MaloraConfig(**small, init_malora_weights=False)
    model = get_peft_model(tiny_model.to(torch.bfloat16), config).eval()
    folded = fold(model, calibration=_batches(tokens), how="kl", steps=1)
    assert {one.A.dtype for one in folded.factors.values()} == {torch.float32}
    with folded.standing_in():
        assert model(tokens).logits.dtype == torch.bfloat16


def test_what_cannot_be_folded_is_said(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="no mixture of experts to fold"):
        fold(nn.Linear(2, 2), gates=GATES)
    lora = get_peft_model(copy.deepcopy(tiny_model), LoraConfig(target_modules=["q_proj"]))
    with pytest.raises(ConfigurationError, match="no mixture of experts to fold"):
        fold(lora, gates=GATES)
    saving = MaloraConfig(**small, modules_to_save=["norm"])
    with pytest.raises(ConfigurationError, match=r"modules_to_save = \['norm'\]"):
        fold(get_peft_model(copy.deepcopy(tiny_model), saving), gates=GATES)
    model = get_peft_model(tiny_model, MaloraConfig(**small))
    for wrong, words in (
        ({"gates": [1.0]}, "Give 4 finite numbers"),
        ({"gates": [float("nan")] * 4}, "Give 4 finite numbers"),
        ({"gates": {"q_proj": GATES}}, "gates= has no model.layers.0.self_attn.q_proj"),
        ({"gates": {**dict.fromkeys(layers_of(model), GATES), "x": GATES}}, "gates= names x"),
        ({}, "neither calibration= nor gates="),
        ({"calibration": []}, "calibration is empty"),
        ({"calibration": ["a text"]}, "no tokenizer"),
        ({"calibration": _batches(tokens), "how": "man"}, "Did you mean 'mean'"),
        ({"gates": GATES, "rank": 0}, "rank = 0 is not above 0"),
        ({"gates": GATES, "adapter": "defalt"}, "Did you mean 'default'"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            fold(model, **wrong)
    (tmp_path / "mine").mkdir()
    with pytest.raises(ConfigurationError, match="is there and holds no adapter"):
        fold(model, gates=GATES).save(tmp_path / "mine")


def test_a_mixture_that_is_no_number_is_not_folded(
    adapted: Any, tokens: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, layer = next(iter(layers_of(adapted).items()))
    before = layer.malora_router["default"].weight.clone()
    layer.malora_router["default"].weight.data[0, 0] = torch.nan
    with pytest.raises(ConfigurationError, match=f"router of {name} .* sum to nan"):
        fold(adapted, calibration=_batches(tokens))
    # where routers are on another device they are looked at later
    monkeypatch.setattr(RoutingContext, "watch", lambda *_: None)
    for how in ("regression", "mean", "kl"):
        with pytest.raises(ConfigurationError, match=f"the gates of {name} sum to nan.*earlier checkpoint"):
            fold(adapted, calibration=_batches(tokens), how=how)  # type: ignore[arg-type]
    layer.malora_router["default"].weight.data.copy_(before)
    next(p for n, p in layer.named_parameters() if "malora_B" in n).data[0] = torch.inf
    with pytest.raises(ConfigurationError, match=f"the weights of {name} sum to inf"):
        fold(adapted, gates=GATES)


def test_one_of_two_adapters_folds_when_it_is_the_active_one(
    adapted: Any, small: dict[str, Any], tokens: Tensor
) -> None:
    adapted.add_adapter("other", MaloraConfig(**small, init_malora_weights=False))
    with pytest.raises(ConfigurationError, match=r"'other' is to be folded, and active are: default"):
        fold(adapted, gates=GATES, adapter="other")
    adapted.set_adapter("other")
    other = fold(adapted, calibration=_batches(tokens))
    adapted.set_adapter("default")
    first = fold(adapted, calibration=_batches(tokens))
    name = next(iter(first.factors))
    assert not torch.allclose(first.factors[name].A, other.factors[name].A)


def test_a_transformers_model_with_the_adapter_loaded_folds_alike(
    adapted: Any, tiny_base: Path, tmp_path: Path, tokens: Tensor
) -> None:
    adapted.save_pretrained(tmp_path / "routed")
    model = AutoModelForCausalLM.from_pretrained(tiny_base)
    model.load_adapter(str(tmp_path / "routed"))
    ours, theirs = fold(adapted, calibration=_batches(tokens)), fold(model, calibration=_batches(tokens))
    assert ours.factors.keys() == theirs.factors.keys()
    for name, factors in ours.factors.items():
        torch.testing.assert_close(theirs.factors[name].B, factors.B)
    folder = theirs.save(tmp_path / "plain")
    assert sorted(load_file(folder / "adapter_model.safetensors"))[0] == (
        "base_model.model.model.layers.0.mlp.down_proj.lora_A.weight"
    )
