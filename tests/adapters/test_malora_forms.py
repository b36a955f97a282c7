"""Dense, recomputed, sorted and loop are one product: in values, in gradients, in every width and dtype."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import get_peft_model
from torch import Tensor, nn

from mezzofanti.adapters import MaloraConfig, MoloraConfig
from mezzofanti.adapters.layer import MixtureLayer
from mezzofanti.adapters.malora_layer import MaloraLayer
from mezzofanti.adapters.mixing import grouped_product
from mezzofanti.adapters.molora_layer import MoloraLayer
from mezzofanti.adapters.routing import RoutingContext

FORMS: list[dict[str, Any]] = [{"recompute_hidden": True}, {"mixing": "sorted"}, {"mixing": "loop"}]
KINDS = ["malora", "molora"]


def _layer(kind: str, inputs: int, outputs: int, r: int, **more: Any) -> MixtureLayer:
    torch.manual_seed(0)
    shared = {} if kind == "molora" else {"shared_rank": more.pop("shared_rank", r + 1)}
    start = {f"init_{kind}_weights": False}
    config_class, layer_class = {
        "malora": (MaloraConfig, MaloraLayer),
        "molora": (MoloraConfig, MoloraLayer),
    }[kind]
    config = config_class(r=r, lora_alpha=2 * r, router_aux_loss_coef=0.1, **shared, **start, **more)  # type: ignore[arg-type]
    layer = layer_class(nn.Linear(inputs, outputs), "default", RoutingContext(), config, r, 2 * r)
    layer.weight_of("router", "default").data.mul_(50)
    return layer.train()


def _answer_and_gradients(layer: MixtureLayer, x: Tensor, **form: Any) -> list[Tensor]:
    settings_ = layer.settings["default"]
    kept = {name: getattr(settings_, name) for name in ("mixing", "recompute_hidden")}
    for name, value in {"mixing": "dense", "recompute_hidden": False, **form}.items():
        setattr(settings_, name, value)
    layer.zero_grad()
    x = x.detach().clone().requires_grad_()
    answer = layer(x)
    direction = torch.linspace(-1, 1, answer.numel(), dtype=answer.dtype).view_as(answer)
    answer.backward(direction)
    for name, value in kept.items():
        setattr(settings_, name, value)
    weights = [weight.grad for name, weight in sorted(layer.named_parameters()) if "base_layer" not in name]
    return [answer.detach(), x.grad, *weights]  # type: ignore[list-item]


def _distance(one: Tensor, other: Tensor) -> float:
    """Of two tensors, over the norm of the second where that is above one.

    The gradient of a router may cancel to nothing, and has then no relative error to speak of.
    """
    one, other = one.double(), other.double()
    return float((one - other).norm() / max(1.0, float(other.norm())))


@settings(max_examples=25)
@given(
    kind=st.sampled_from(KINDS),
    tokens=st.integers(1, 7),
    inputs=st.integers(6, 11),
    outputs=st.integers(1, 9),
    r=st.integers(1, 5),
    experts=st.integers(1, 5),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    normalise=st.booleans(),
    data=st.data(),
)
def test_all_forms_agree(
    kind: str,
    tokens: int,
    inputs: int,
    outputs: int,
    r: int,
    experts: int,
    dtype: torch.dtype,
    normalise: bool,
    data: st.DataObject,
) -> None:
    top_k = data.draw(st.integers(1, experts))
    more = {"num_experts": experts, "top_k": top_k, "norm_topk_prob": normalise}
    layer = _layer(kind, inputs, outputs, r, **more).to(dtype)
    x = torch.randn(tokens, inputs, dtype=dtype, generator=torch.Generator().manual_seed(tokens))
    dense = _answer_and_gradients(layer, x)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-6
    for form in FORMS:
        for one, other in zip(_answer_and_gradients(layer, x, **form), dense, strict=True):
            assert _distance(one, other) <= tolerance


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", [{}, *FORMS])
def test_gradients_are_the_derivatives(kind: str, form: dict[str, Any]) -> None:
    layer = _layer(kind, 5, 4, 2, num_experts=4, **form).double()
    layer.settings["default"].router_aux_loss_coef = 0.0
    layer.routing["default"].balance = 0.0
    names = [name for name, _ in layer.named_parameters() if "base_layer" not in name]
    weights = [dict(layer.named_parameters())[name].detach().clone().requires_grad_() for name in names]
    x = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)

    def answer(x: Tensor, *weights: Tensor) -> Tensor:
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x,))

    assert torch.autograd.gradcheck(answer, (x, *weights))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("dtype", "r", "shared_rank", "tolerance"),
    [(torch.float32, 8, 22, 3e-6), (torch.bfloat16, 12, 13, 0.05), (torch.float16, 5, 9, 5e-3)],
)
def test_no_width_is_refused(
    kind: str, form: dict[str, Any], dtype: torch.dtype, r: int, shared_rank: int, tolerance: float
) -> None:
    """Grouped products take rows at multiples of 16 bytes: bfloat16 with r = 12 and float32 with d = 22 have none."""
    size = {"shared_rank": shared_rank} if kind == "malora" else {}
    layer = _layer(kind, 40, 30, r, **size, lora_dropout=0.0).to(dtype)
    x = torch.randn(2, 9, 40).to(dtype)
    for one, other in zip(
        _answer_and_gradients(layer, x, **form), _answer_and_gradients(layer, x), strict=True
    ):
        assert one.dtype == dtype
        assert _distance(one, other) <= tolerance


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", [{}, *FORMS])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_and_a_narrow_base(kind: str, form: dict[str, Any], dtype: torch.dtype) -> None:
    layer, x = _layer(kind, 16, 8, 3, **form), torch.randn(5, 16)
    exact = layer(x)
    with torch.autocast("cpu", dtype):
        answer = layer(x)
    assert answer.dtype == dtype
    torch.testing.assert_close(answer.float(), exact, rtol=0.1, atol=0.05)
    answer.sum().backward()
    assert layer.weight_of("router", "default").grad.dtype == torch.float32  # type: ignore[union-attr]
    layer.base_layer.to(dtype)
    wide = layer(x.to(dtype))
    assert wide.dtype == dtype
    torch.testing.assert_close(wide.float(), exact, rtol=0.1, atol=0.05)


def test_groups_may_be_empty_and_are_kept_apart() -> None:
    rows, weights = torch.randn(6, 3), torch.randn(4, 3, 5)
    ends = torch.tensor([2, 2, 5, 6])
    expected = torch.cat([rows[:2] @ weights[0], rows[2:5] @ weights[2], rows[5:] @ weights[3]])
    torch.testing.assert_close(grouped_product(rows, weights, ends), expected)
    torch.testing.assert_close(grouped_product(rows.double(), weights.double(), ends).float(), expected)


def _kept_bytes(layer: MixtureLayer, x: Tensor) -> int:
    weights = {weight.untyped_storage().data_ptr() for weight in layer.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        if (place := tensor.untyped_storage().data_ptr()) not in weights:
            kept[place] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        answer = layer(x)
    del answer
    return sum(kept.values())


@pytest.mark.parametrize("kind", KINDS)
def test_recomputing_keeps_two_hidden_values_less(kind: str) -> None:
    tokens, r, experts = 64, 6, 8
    sizes = {"shared_rank": 16} if kind == "malora" else {}
    layer, x = _layer(kind, 32, 32, r, num_experts=experts, **sizes), torch.randn(tokens, 32)
    dense = _kept_bytes(layer, x)
    layer.settings["default"].recompute_hidden = True
    hidden = tokens * experts * r * x.element_size()
    assert dense - _kept_bytes(layer, x) >= 1.9 * hidden


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("config_class", [MaloraConfig, MoloraConfig])
def test_a_whole_model_agrees(
    tiny_model: Any, small: dict[str, Any], tokens: Tensor, form: dict[str, Any], config_class: Any
) -> None:
    if config_class is MoloraConfig:
        small.pop("shared_rank")
    start = {f"init_{config_class.method.value.lower()}_weights": False}
    model = get_peft_model(tiny_model, config_class(**small, **start))
    dense = model(tokens).logits
    for name, value in form.items():
        setattr(model.peft_config["default"], name, value)
    torch.testing.assert_close(model(tokens).logits, dense, rtol=1e-5, atol=1e-5)
