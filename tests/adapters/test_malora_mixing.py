"""The dense product against the loop over experts, in values and gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mezzofanti.adapters import MaloraConfig
from mezzofanti.adapters.malora_layer import MaloraLayer
from mezzofanti.adapters.mixing import mix_dense, mix_loop, project
from mezzofanti.adapters.routing import RoutingContext, gate


def _weights(tokens: int, features: int, rows: int, experts: int, rank: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [
        (tokens, features),
        (rows, features),
        (experts, features),
        (experts * rank, rows),
        (5, experts * rank),
    ]
    return [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]


def _dense(
    x: Tensor, shared: Tensor, router: Tensor, p: Tensor, b: Tensor, top_k: int, normalise: bool
) -> Tensor:
    projected, logits = project(x, shared, router)
    return mix_dense(projected, gate(logits, top_k, normalise)[0], p) @ b.T


def _loop(
    x: Tensor, shared: Tensor, router: Tensor, p: Tensor, b: Tensor, top_k: int, normalise: bool
) -> Tensor:
    gates = (x @ router.T).softmax(-1)
    smallest_kept = gates.sort(dim=-1).values[:, -top_k].unsqueeze(-1)
    gates = torch.where(gates >= smallest_kept, gates, torch.zeros_like(gates))
    if normalise:
        gates = gates / gates.sum(-1, keepdim=True)
    return mix_loop(x @ shared.T, gates, p, b)


@settings(max_examples=30, deadline=None)
@given(
    tokens=st.integers(1, 9),
    features=st.integers(3, 8),
    rank=st.integers(1, 3),
    experts=st.integers(1, 5),
    normalise=st.booleans(),
    data=st.data(),
)
def test_dense_is_the_loop(
    tokens: int, features: int, rank: int, experts: int, normalise: bool, data: st.DataObject
) -> None:
    top_k = data.draw(st.integers(1, experts))
    dense = _weights(tokens, features, 3, experts, rank)
    loop = [weight.detach().clone().requires_grad_() for weight in dense]
    answer, expected = _dense(*dense, top_k, normalise), _loop(*loop, top_k, normalise)
    torch.testing.assert_close(answer, expected, rtol=1e-12, atol=1e-12)
    direction = torch.linspace(-1, 1, answer.numel(), dtype=answer.dtype).view_as(answer)
    torch.autograd.backward([answer, expected], [direction, direction])
    for one, other in zip(dense, loop, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("normalise", [False, True])
def test_gradients_are_the_derivatives(normalise: bool) -> None:
    # Gates jump where two experts change places; these inputs are well away from it.
    weights = tuple(_weights(4, 5, 3, 4, 2))
    assert torch.autograd.gradcheck(lambda *w: _dense(*w, 2, normalise), weights)


@pytest.mark.parametrize("top_k", [1, 2, 4])
def test_a_layer_is_its_base_and_the_loop(top_k: int) -> None:
    torch.manual_seed(0)
    config = MaloraConfig(
        r=3, shared_rank=4, num_experts=4, top_k=top_k, lora_alpha=6, init_malora_weights=False
    )
    base = nn.Linear(7, 5)
    layer = MaloraLayer(base, "default", RoutingContext(), config, r=3, lora_alpha=6).double().eval()
    x = torch.randn(2, 3, 7, dtype=torch.float64)
    weights = [layer.weight_of(name, "default") for name in ("S", "router", "P", "B")]
    expected = base(x) + 2.0 * _loop(x.view(6, 7), *weights, top_k, False).view(2, 3, 5)
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_the_shared_projection_serves_all_experts(small: dict[str, object]) -> None:
    """Sum_t w_t B_t P_t S_A for fixed gates w is one matrix of rank d at most: what makes folding exact."""
    x, shared, _, p, b = _weights(50, 8, 3, 4, 2)
    gates = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64).expand(50, 4)
    answer = mix_dense(x @ shared.T, gates, p) @ b.T
    fixed = sum(gates[0, t] * b[:, 2 * t : 2 * t + 2] @ p[2 * t : 2 * t + 2] for t in range(4)) @ shared
    torch.testing.assert_close(answer, x @ fixed.T)
    assert torch.linalg.matrix_rank(fixed) == 3
