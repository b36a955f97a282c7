"""Prune and merge, case by case, and the quantile over all entries together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mezzofanti.continual.fusion import PAPER, REFERENCE, FusionWeights, fuse, important, pooled_quantile

START = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
INNER = torch.tensor([[10.0, 20.0], [30.0, 40.0]])
OUTER = torch.tensor([[100.0, 200.0], [300.0, 400.0]])
# new knowledge, old knowledge; shared, redundant: the four rows of the table, one an entry
IN_MASK = torch.tensor([[True, False], [True, False]])
OUT_MASK = torch.tensor([[False, True], [True, False]])


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (PAPER, [[1 + 10, 2 + 200], [3 + 30 + 300, 4]]),
        (REFERENCE, [[1 + 10, 2 + 200], [3 + 0.4 * 30 + 0.6 * 300, 4 + 0.5 * 40 + 0.5 * 400]]),
        (
            FusionWeights(both=(0.25, 0.5), neither=(0.1, 0.0)),
            [[1 + 10, 2 + 200], [3 + 0.25 * 30 + 0.5 * 300, 4 + 0.1 * 40]],
        ),
    ],
    ids=["paper", "reference", "other"],
)
def test_the_four_cases(weights: FusionWeights, expected: list[list[float]]) -> None:
    fused = fuse(START, INNER, OUTER, IN_MASK, OUT_MASK, weights)
    torch.testing.assert_close(fused, torch.tensor(expected, dtype=torch.float32))


def test_with_binary_masks_it_is_the_formula_of_the_paper() -> None:
    generator = torch.Generator().manual_seed(1)
    start, inner, outer = (torch.randn(5, 7, generator=generator) for _ in range(3))
    a, b = (torch.rand(5, 7, generator=generator) > 0.5 for _ in range(2))
    torch.testing.assert_close(fuse(start, inner, outer, a, b, PAPER), start + a * inner + b * outer)


def test_fusing_leaves_its_arguments_alone() -> None:
    start = START.clone()
    fuse(start, INNER, OUTER, IN_MASK, OUT_MASK, PAPER)
    assert start.equal(START)


numbers = st.floats(-100, 100, allow_nan=False)


@given(st.lists(st.lists(numbers, min_size=1, max_size=9), min_size=1, max_size=4), st.floats(0, 1))
def test_the_quantile_is_numpys_over_all_entries_together(parts: list[list[float]], quantile: float) -> None:
    tensors = [torch.tensor(part, dtype=torch.float64) for part in parts]
    expected = np.quantile([number for part in parts for number in part], quantile)
    assert float(pooled_quantile(tensors, quantile)) == pytest.approx(float(expected), rel=1e-9, abs=1e-9)


def test_the_quantile_takes_tensors_of_any_shape() -> None:
    found = pooled_quantile([torch.arange(6.0).reshape(2, 3), torch.tensor([[6.0], [7.0]])], 0.5)
    assert found.shape == ()
    assert float(found) == 3.5


@given(st.floats(0, 0.99), st.integers(0, 99))
def test_a_mask_keeps_what_lies_above_the_quantile(quantile: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = [torch.rand(8, 9, generator=generator), torch.rand(28, generator=generator)]
    masks = important(scores, quantile)
    assert [mask.shape for mask in masks] == [score.shape for score in scores]
    kept = sum(int(mask.sum()) for mask in masks)
    assert abs(kept - 100 * (1 - quantile)) <= 1
    least = min((float(s[m].min()) for s, m in zip(scores, masks, strict=True) if m.any()), default=1.0)
    most = max((float(s[~m].max()) for s, m in zip(scores, masks, strict=True) if (~m).any()), default=0.0)
    assert least > most


def test_where_all_scores_are_equal_none_is_important() -> None:
    assert not any(mask.any() for mask in important([torch.zeros(4), torch.zeros(2, 2)], 0.8))
