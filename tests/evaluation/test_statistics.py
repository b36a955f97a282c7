"""Errors and intervals against closed forms and against slow simulations."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzofanti.errors import ConfigurationError
from mezzofanti.evaluation.statistics import (
    mean_over_seeds,
    paired_bootstrap,
    proportion_error,
    wilson_interval,
)


def test_proportion_error_is_the_spread_of_many_exams() -> None:
    generator = random.Random(0)
    exams = [sum(generator.random() < 0.3 for _ in range(60)) / 60 for _ in range(4000)]
    assert proportion_error(0.3, 60) == pytest.approx(statistics.stdev(exams), rel=0.05)
    assert proportion_error(0.5, 100) == 0.05
    assert proportion_error(1.0, 30) == 0.0


def test_wilson_interval_known_values() -> None:
    # 10 of 100: the interval printed in textbooks, 5.5 % to 17.4 %.
    low, high = wilson_interval(0.1, 100)
    assert (low, high) == (pytest.approx(0.05523, abs=1e-5), pytest.approx(0.17437, abs=1e-5))
    assert wilson_interval(0.0, 30) == (0.0, pytest.approx(0.11352, abs=1e-5))
    assert wilson_interval(1.0, 30)[1] == 1.0


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_holds_the_share_and_solves_its_equation(counts: tuple[int, int]) -> None:
    share, count = counts[0] / counts[1], counts[1]
    for bound in wilson_interval(share, count):
        # At a bound b the distance |b - p| is 1.96 standard errors of b itself.
        assert abs(bound - share) == pytest.approx(
            1.959964 * math.sqrt(bound * (1 - bound) / count), abs=1e-6
        )
    low, high = wilson_interval(share, count)
    assert low - 1e-12 <= share <= high + 1e-12


def test_mean_over_seeds() -> None:
    mean = mean_over_seeds([0.80, 0.84, 0.88])
    assert (mean.mean, mean.count) == (pytest.approx(0.84), 3)
    assert mean.error == pytest.approx(statistics.stdev([0.80, 0.84, 0.88]) / math.sqrt(3))
    assert mean_over_seeds([0.5]).error is None


def test_bootstrap_agrees_with_a_slow_one() -> None:
    generator = random.Random(1)
    first = [float(generator.random() < 0.7) for _ in range(80)]
    second = [float(generator.random() < 0.5) for _ in range(80)]
    gaps = [a - b for a, b in zip(first, second, strict=True)]
    means = sorted(statistics.fmean(generator.choices(gaps, k=80)) for _ in range(4000))
    found = paired_bootstrap(first, second)
    assert found.difference == pytest.approx(statistics.fmean(gaps))
    assert found.low == pytest.approx(means[100], abs=0.03)
    assert found.high == pytest.approx(means[3900], abs=0.03)
    assert found == paired_bootstrap(first, second)


def test_bootstrap_keeps_pairs_together() -> None:
    # Both learners find the same questions hard; unpaired, the interval would be wide.
    first = [1.0, 0.0] * 50
    same = paired_bootstrap(first, first)
    assert (same.difference, same.low, same.high, same.is_clear) == (0.0, 0.0, 0.0, False)
    better = paired_bootstrap([1.0] * 100, [0.9] * 100)
    assert better.is_clear
    assert better.low == pytest.approx(0.1)
    worse = paired_bootstrap([0.0] * 10, [1.0] * 10)
    assert worse.is_clear
    assert worse.high == -1.0


def test_bootstrap_in_blocks_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mezzofanti.evaluation.statistics._DRAWS_AT_ONCE", 7)
    found = paired_bootstrap([1.0, 0.0, 1.0], [0.0, 0.0, 1.0], draws=501)
    assert 0.0 <= found.low <= found.difference <= found.high <= 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: proportion_error(1.2, 10),
        lambda: proportion_error(0.5, 0),
        lambda: wilson_interval(-0.1, 10),
        lambda: mean_over_seeds([]),
        lambda: paired_bootstrap([], []),
        lambda: paired_bootstrap([1.0], [1.0, 0.0]),
        lambda: paired_bootstrap([1.0], [1.0], confidence=1.0),
        lambda: paired_bootstrap([1.0], [1.0], draws=0),
    ],
)
def test_nonsense_is_refused(call: object) -> None:
    with pytest.raises(ConfigurationError):
        call()  # type: ignore[operator]
