"""Eq. 8-10: the base answers as before, and every expert starts at the scale of LoRA's A."""

from __future__ import annotations

import pytest
import torch

from mezzofanti.adapters.initialisation import draw_kaiming, initial_qr, initial_svd

EXPERTS, ROWS, RANK = 3, 8, 5


@pytest.mark.parametrize("decompose", [initial_svd, initial_qr])
@pytest.mark.parametrize("features", [8, 40])
@pytest.mark.parametrize("beta", [1.0, 0.5, 3.0])
def test_rows_are_as_long_as_kaimings(decompose: object, features: int, beta: float) -> None:
    torch.manual_seed(0)
    draws = [draw_kaiming(ROWS, features) for _ in range(EXPERTS)]
    shared, stacked = decompose(draws, RANK, beta)  # type: ignore[operator]
    assert shared.shape == (ROWS, features)
    assert stacked.shape == (EXPERTS * RANK, ROWS)
    torch.testing.assert_close(shared @ shared.T, beta**2 * torch.eye(ROWS), rtol=1e-4, atol=1e-4)
    for expert, draw in enumerate(draws):
        rows = stacked[expert * RANK : (expert + 1) * RANK] @ shared
        torch.testing.assert_close(rows.norm(dim=1), draw[:RANK].norm(dim=1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(stacked[:RANK] @ shared, draws[0][:RANK], rtol=1e-4, atol=1e-5)


def test_svd_is_torchs_up_to_the_sign_of_each_vector() -> None:
    torch.manual_seed(0)
    draws = [draw_kaiming(ROWS, 30) for _ in range(EXPERTS)]
    shared, stacked = initial_svd(draws, RANK, beta=2.0)
    for expert, draw in enumerate(draws):
        left, values, right = torch.linalg.svd(draw, full_matrices=False)
        rows = stacked[expert * RANK : (expert + 1) * RANK]
        torch.testing.assert_close(rows.abs(), ((left * values)[:RANK] / 2).abs(), rtol=1e-4, atol=1e-5)
        if expert == 0:
            torch.testing.assert_close(shared.abs(), 2 * right.abs(), rtol=1e-4, atol=1e-5)


def test_kaiming_bound_is_loras() -> None:
    torch.manual_seed(0)
    draw, reference = draw_kaiming(200, 64), torch.empty(200, 64)
    torch.nn.init.kaiming_uniform_(reference, a=5**0.5)
    assert draw.abs().max() == pytest.approx(reference.abs().max().item(), rel=1e-3)
    assert draw.norm(dim=1).mean().item() == pytest.approx(0.577, abs=0.01)
