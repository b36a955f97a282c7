"""Gates, the load-balance term, and how it reaches the weights without a trainer's help."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, distributed, nn

from mezzofanti.adapters import MaloraConfig
from mezzofanti.adapters.malora_layer import MaloraLayer
from mezzofanti.adapters.routing import (
    RoutingContext,
    attach,
    choose,
    gate,
    load_balance,
    load_balance_across,
    z_loss,
)


def test_the_largest_probabilities_are_kept_as_they_are() -> None:
    logits = torch.tensor([[2.0, 0.0, 1.0, -1.0]])
    gates, probabilities, chosen = gate(logits, top_k=2, normalise=False)
    torch.testing.assert_close(probabilities, logits.softmax(-1))
    assert chosen.tolist() == [[1.0, 0.0, 1.0, 0.0]]
    torch.testing.assert_close(gates, probabilities * chosen)
    assert gates.sum() < 1
    torch.testing.assert_close(gate(logits, 2, True)[0].sum(), torch.tensor(1.0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_gates_are_float32(dtype: torch.dtype) -> None:
    logits = torch.randn(6, 8).to(dtype)
    gates, probabilities, _ = gate(logits, top_k=3, normalise=False)
    assert gates.dtype == torch.float32
    torch.testing.assert_close(probabilities, logits.float().softmax(-1))
    assert ((gates > 0).sum(-1) == 3).all()


def test_ties_still_choose_exactly_top_k() -> None:
    assert (choose(torch.full((5, 8), 0.125), 2).sum(-1) == 2).all()


def test_an_even_load_is_one_and_a_collapsed_one_is_experts_over_top_k() -> None:
    even = torch.eye(8)
    assert load_balance(even, even).item() == pytest.approx(1.0)
    crowded = torch.zeros(16, 8)
    crowded[:, :2] = 1.0
    assert load_balance(crowded / 2, crowded).item() == pytest.approx(8 / 2)


def test_padding_counts_for_nothing() -> None:
    probabilities = torch.randn(10, 4).softmax(-1)
    chosen = choose(probabilities, 2)
    weights = torch.tensor([1.0, 0.0] * 5)
    expected = load_balance(probabilities[::2], chosen[::2])
    torch.testing.assert_close(load_balance(probabilities, chosen, weights), expected)


def test_attached_loss_is_descended_on_like_an_added_one() -> None:
    weight = torch.tensor([1.0, 2.0], requires_grad=True)
    added = weight.detach().clone().requires_grad_()
    (attach(weight * 3, (weight**2).sum()).sum() * 5).backward()
    ((added * 3).sum() * 5 + (added**2).sum()).backward()
    torch.testing.assert_close(weight.grad, added.grad)


def _layer(coefficient: float, context: RoutingContext) -> MaloraLayer:
    torch.manual_seed(0)
    config = MaloraConfig(r=2, shared_rank=4, num_experts=4, top_k=1, router_aux_loss_coef=coefficient)
    return MaloraLayer(nn.Linear(6, 5), "default", context, config, r=2, lora_alpha=2).train()


def test_a_layer_balances_its_router() -> None:
    """B is zero, so the router's gradient comes from the load-balance term alone, and following it evens the load."""
    layer, x = _layer(1.0, RoutingContext()), torch.randn(64, 6) + 1.0
    router = layer.malora_router["default"].weight
    router.data[0] += 0.5
    layer(x)
    before = layer.load_balance["default"].item()
    for _ in range(50):
        layer(x).sum().backward()
        with torch.no_grad():
            router -= 0.3 * router.grad
            router.grad = None
    layer(x)
    assert before > 1.3
    assert layer.load_balance["default"].item() < 0.9 * before


def test_coefficient_and_scale_multiply_the_gradient() -> None:
    x, gradients = torch.randn(32, 6), []
    for coefficient, scale in [(1.0, 1.0), (0.25, 1.0), (1.0, 0.25), (0.0, 1.0)]:
        layer = _layer(coefficient, RoutingContext(scale=scale))
        layer(x).sum().backward()
        gradients.append(layer.malora_router["default"].weight.grad)
    torch.testing.assert_close(gradients[1], gradients[0] / 4)
    torch.testing.assert_close(gradients[2], gradients[0] / 4)
    assert gradients[0].abs().max() > 0
    assert gradients[3].abs().max() == 0


def test_no_load_balance_outside_training() -> None:
    layer = _layer(1.0, RoutingContext())
    layer.eval()(torch.randn(4, 6))
    with torch.no_grad():
        layer.train()(torch.randn(4, 6))
    assert not layer.load_balance


def test_only_two_dimensional_masks_of_the_right_size_are_used() -> None:
    context, like = RoutingContext(), torch.zeros(1)
    context(None, (), {"attention_mask": torch.tensor([[1, 1, 0], [1, 0, 0]])})
    assert context.weights("", 6, like).tolist() == [1, 1, 0, 1, 0, 0]
    assert context.weights("", 4, like) is None
    context(None, (), {"attention_mask": torch.zeros(2, 1, 3, 3)})
    assert context.weights("", 18, like) is None
    context(None, (), {})
    assert context.weights("", 6, like) is None


def test_parts_of_two_processes_make_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean of the parts, and of their gradients, is the term over all tokens, padding unequal."""
    logits, weights = torch.randn(10, 4), torch.tensor([0.0, 0, 0, 1, 1, 1, 1, 1, 1, 0])
    halves = [slice(0, 5), slice(5, 10)]

    def parts(logits: Tensor) -> Tensor:
        sums, found = [], []
        for half in halves:
            chosen = choose(logits[half].softmax(-1), 2)
            sums.append(torch.cat([weights[half] @ chosen, weights[half].sum().unsqueeze(0)]))
        monkeypatch.setattr(distributed, "get_world_size", lambda group: 2)
        monkeypatch.setattr(distributed, "all_reduce", lambda own, group: own.copy_(sums[0] + sums[1]))
        for half in halves:
            probabilities = logits[half].softmax(-1)
            balance, part = load_balance_across(probabilities, choose(probabilities, 2), weights[half])
            found.append(balance + part * z_loss(logits[half], weights[half]))
        return (found[0] + found[1]) / 2

    def whole(logits: Tensor) -> Tensor:
        probabilities = logits.softmax(-1)
        return load_balance(probabilities, choose(probabilities, 2), weights) + z_loss(logits, weights)

    one, other = (logits.clone().requires_grad_() for _ in range(2))
    values = parts(one), whole(other)
    torch.testing.assert_close(*values)
    torch.autograd.backward(values)
    torch.testing.assert_close(one.grad, other.grad)
