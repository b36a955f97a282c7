"""The rows of the paper's Table 3: each is what its name says, starts as the identity, learns and reloads."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from mezzofanti.adapters import MaloraConfig, MoloraConfig
from mezzofanti.adapters.layer import MixtureLayer
from mezzofanti.adapters.malora_layer import MaloraLayer
from mezzofanti.adapters.mixing import mix_loop
from mezzofanti.adapters.molora_layer import MoloraLayer
from mezzofanti.adapters.routing import RoutingContext, gate
from mezzofanti.errors import ConfigurationError

MALORA = {"r": 4, "shared_rank": 8, "num_experts": 4, "top_k": 2, "lora_alpha": 8}
MOLORA = {"r": 4, "num_experts": 4, "top_k": 2, "lora_alpha": 8}
ABLATIONS = [("malora", name) for name in MaloraConfig.ablations] + [
    ("molora", name) for name in MoloraConfig.ablations
]


def _config(kind: str, name: str | None, **more: Any) -> Any:
    settings: dict[str, Any] = {"task_type": "CAUSAL_LM", "target_modules": ["q_proj", "down_proj"], **more}
    if kind == "malora":
        return MaloraConfig(**{**MALORA, **settings}, ablation=name)
    return MoloraConfig(**{**MOLORA, **settings}, ablation=name)


def _random(kind: str, name: str | None, **more: Any) -> Any:
    return _config(kind, name, **{f"init_{kind}_weights": False, **more})


def _layer(kind: str, name: str | None, inputs: int = 12, outputs: int = 10) -> Any:
    torch.manual_seed(0)
    config = _random(kind, name)
    layer_class: type[MixtureLayer] = MaloraLayer if kind == "malora" else MoloraLayer
    return layer_class(nn.Linear(inputs, outputs), "default", RoutingContext(), config, config.r, 8).double()


@pytest.mark.parametrize(("kind", "name"), ABLATIONS)
def test_it_starts_as_the_identity_learns_and_reloads(
    tiny_model: Any, tiny_base: Path, tokens: Tensor, tmp_path: Path, kind: str, name: str
) -> None:
    torch.manual_seed(0)
    before = tiny_model(tokens).logits
    model = get_peft_model(tiny_model, _config(kind, name)).train()
    torch.testing.assert_close(model(tokens).logits, before)
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=3e-2)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        assert all(weight.grad is not None for weight in weights)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.04
    model.save_pretrained(tmp_path)
    again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), tmp_path)
    assert torch.equal(again.eval()(tokens).logits, model.eval()(tokens).logits)


FIXED = [
    ("malora", "fixed-S_A", "malora_S"),
    ("malora", "frozen-P", "malora_P"),
    ("molora", "fixed-shared-A", "molora_A"),
]


@pytest.mark.parametrize(("kind", "name", "frozen"), FIXED)
def test_a_narrow_base_leaves_frozen_weights_frozen(
    tiny_model: Any, kind: str, name: str, frozen: str
) -> None:
    model = get_peft_model(tiny_model.to(torch.bfloat16), _config(kind, name))
    weights = {name: weight for name, weight in model.named_parameters() if f".{kind}_" in name}
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    assert {frozen in name for name, weight in weights.items() if not weight.requires_grad} == {True}


@pytest.mark.parametrize(("kind", "name", "frozen"), FIXED)
def test_what_is_fixed_stays_so_whatever_is_switched(
    tiny_model: Any, tmp_path: Path, tiny_base: Path, kind: str, name: str, frozen: str
) -> None:
    model = get_peft_model(tiny_model, _config(kind, name))

    def check(model: Any) -> None:
        trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
        assert trained
        assert not [name for name in trained if frozen in name]

    check(model)
    model.add_adapter("other", _config(kind, name))
    model.set_adapter("other")
    model.set_adapter("default")
    check(model)
    with model.disable_adapter():
        pass
    check(model)
    model.save_pretrained(tmp_path)
    base = AutoModelForCausalLM.from_pretrained(tiny_base)
    check(PeftModel.from_pretrained(base, tmp_path, is_trainable=True))


def _reference(layer: Any, x: Tensor, matrices: list[Tensor]) -> Tensor:
    """Return W x + 2 sum_t G_t(x) M_t x for the matrices M_t."""
    gates = gate(x @ layer.weight_of("router", "default").T, 2, False)[0]
    mixed = sum(gates[:, t : t + 1] * (x @ matrix.T) for t, matrix in enumerate(matrices))
    answer: Tensor = layer.base_layer(x) + 2.0 * mixed
    return answer


@pytest.mark.parametrize("form", [{}, {"mixing": "sorted"}, {"mixing": "loop"}, {"recompute_hidden": True}])
@pytest.mark.parametrize(("kind", "name"), ABLATIONS)
def test_each_is_its_formula(kind: str, name: str, form: dict[str, Any]) -> None:
    layer, x = _layer(kind, name), torch.randn(7, 12, dtype=torch.float64)
    for setting, value in form.items():
        setattr(layer.settings["default"], setting, value)
    rows = [slice(4 * t, 4 * t + 4) for t in range(4)]
    if kind == "malora":
        s, p = layer.malora_S["default"].weight, layer.malora_P["default"].weight
        if name == "decompose-B":
            a = layer.malora_A["default"].weight
            matrices = [s @ p[:, one] @ a[one] for one in rows]
        elif name == "no-sharing":
            b = layer.malora_B["default"].weight
            matrices = [b[:, one] @ p[one] @ s[2 * t : 2 * t + 2] for t, one in enumerate(rows)]
        else:
            b = layer.malora_B["default"].weight
            matrices = [b[:, one] @ p[one] @ s for one in rows]
    else:
        a, b = layer.molora_A["default"].weight, layer.molora_B["default"].weight
        matrices = [b[:, one] @ (a if name == "fixed-shared-A" else a[one]) for one in rows]
    torch.testing.assert_close(layer(x), _reference(layer, x, matrices), rtol=1e-10, atol=1e-12)


def test_parameters_are_the_papers() -> None:
    """d n + N r m + N r d + N n as in MALoRA, but for what each takes away or moves."""
    n, m, d, r, experts = 12, 10, 8, 4, 4
    whole = {
        kind: sum(w.numel() for w in _layer(kind, None).parameters()) - n * m - m
        for kind in ("malora", "molora")
    }
    sizes = {
        pair: sum(w.numel() for name, w in _layer(*pair).named_parameters() if "base_layer" not in name)
        for pair in ABLATIONS
    }
    assert whole["malora"] == d * n + experts * r * m + experts * r * d + experts * n
    assert sizes["malora", "fixed-S_A"] == sizes["malora", "frozen-P"] == whole["malora"]
    assert sizes["malora", "no-sharing"] == whole["malora"] - experts * r * d + r * d
    assert sizes["malora", "decompose-B"] == d * m + experts * r * n + experts * r * d + experts * n
    assert sizes["molora", "same-A"] == whole["molora"] == experts * r * (n + m) + experts * n
    assert sizes["molora", "fixed-shared-A"] == r * n + experts * r * m + experts * n


def test_starting_weights_keep_the_scale() -> None:
    torch.manual_seed(0)
    unshared = get_peft_model(
        nn.Sequential(nn.Linear(64, 48)),
        _config("malora", "no-sharing", target_modules=["0"], task_type=None),
    )
    (layer,) = [module for module in unshared.modules() if isinstance(module, MaloraLayer)]
    rows = layer.factors("default").down_FX
    assert rows.norm(dim=1).mean().item() == pytest.approx(0.577, abs=0.03)
    decomposed = get_peft_model(
        nn.Sequential(nn.Linear(64, 48)),
        _config("malora", "decompose-B", target_modules=["0"], task_type=None, beta=2.0),
    )
    (layer,) = [module for module in decomposed.modules() if isinstance(module, MaloraLayer)]
    shared = layer.malora_S["default"].weight
    torch.testing.assert_close(shared.T @ shared, 4 * torch.eye(8), rtol=1e-4, atol=1e-4)
    alike = get_peft_model(
        nn.Sequential(nn.Linear(64, 48)), _config("molora", "same-A", target_modules=["0"], task_type=None)
    )
    (other,) = [module for module in alike.modules() if isinstance(module, MoloraLayer)]
    drawn = other.molora_A["default"].weight.view(4, 4, 64)
    assert all(torch.equal(one, drawn[0]) for one in drawn)


def test_sizes_that_do_not_fit_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"shared_rank = 30 does not divide among num_experts = 8"):
        MaloraConfig(ablation="no-sharing", shared_rank=30)
    with pytest.raises(ConfigurationError, match="ablation = 'frozen' is unknown"):
        MaloraConfig(ablation="frozen")
    config = _config("malora", "decompose-B", shared_rank=11, target_modules=["0"], task_type=None)
    with pytest.raises(ConfigurationError, match="shared_rank = 11 is above the 10 output features of 0"):
        get_peft_model(nn.Sequential(nn.Linear(12, 10)), config)


def test_a_block_shares_its_router_in_an_ablation_too(tiny_model: Any, tokens: Tensor) -> None:
    one = get_peft_model(copy.deepcopy(tiny_model), _random("malora", "decompose-B", router_scope="block"))
    assert sum("malora_router" in name for name, _ in one.named_parameters()) == 2
    assert one(tokens).logits.isfinite().all()
    assert mix_loop(torch.ones(1, 2), torch.ones(1, 1), torch.ones(3, 2), torch.ones(4, 3)).tolist() == [
        [6.0] * 4
    ]
