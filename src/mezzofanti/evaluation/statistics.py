"""How sure a score is: errors of proportions, of means over seeds, and of differences between two learners."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import Field

from mezzofanti.errors import ConfigurationError
from mezzofanti.records import Record

__all__ = ["Difference", "Mean", "mean_over_seeds", "paired_bootstrap", "proportion_error", "wilson_interval"]

_NORMAL_95 = 1.959963984540054
_DRAWS_AT_ONCE = 4_000_000


class Mean(Record):
    """A mean over `count` runs; `error` is its standard error, None where one run gives none."""

    mean: float
    error: float | None
    count: int


class Difference(Record):
    """How much the first learner's mean score exceeds the second's, and the interval the bootstrap gives it."""

    difference: float
    low: float
    high: float
    confidence: float = Field(gt=0, lt=1)

    @property
    def is_clear(self) -> bool:
        """True where the interval does not contain 0."""
        return self.low > 0 or self.high < 0


def proportion_error(share: float, count: int) -> float:
    """Return the standard error sqrt(p (1 - p) / n) of a share p of n questions.

    It is 0 for a share of 0 or 1, which says nothing: give `wilson_interval` there.
    """
    _check_share(share, count)
    return math.sqrt(share * (1 - share) / count)


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share p of n questions (E. B. Wilson, 1927): good at 0 and 1 too."""
    _check_share(share, count)
    z_squared_share = _NORMAL_95**2 / count
    middle = share + z_squared_share / 2
    half = _NORMAL_95 * math.sqrt(share * (1 - share) / count + z_squared_share / (4 * count))
    low, high = (middle - half) / (1 + z_squared_share), (middle + half) / (1 + z_squared_share)
    return max(0.0, low), min(1.0, high)


def mean_over_seeds(values: Sequence[float]) -> Mean:
    """Return the mean of one figure over seeds and its standard error s / sqrt(n), s with n - 1 in it."""
    if not values:
        raise ConfigurationError("There are no values to average.", cure="Give one value a seed.")
    numbers = np.asarray(values, dtype=np.float64)
    error = float(numbers.std(ddof=1) / math.sqrt(len(numbers))) if len(numbers) > 1 else None
    return Mean(mean=float(numbers.mean()), error=error, count=len(numbers))


def paired_bootstrap(
    first: Sequence[float],
    second: Sequence[float],
    *,
    draws: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Difference:
    """Return mean(first) - mean(second) with a percentile interval, questions drawn with replacement in pairs.

    `first[i]` and `second[i]` are scores of the same question (B. Efron, R. Tibshirani, "An Introduction to the
    Bootstrap", 1993, chapter 13). The interval is about these questions and these two runs: what another seed
    would give, `mean_over_seeds` says.
    """
    if len(first) != len(second) or not first:
        raise ConfigurationError(
            f"{len(first)} scores cannot be paired with {len(second)}.",
            cure="Give both learners' scores of the same questions, in the same order, and at least one.",
        )
    if not 0 < confidence < 1 or draws < 1:
        raise ConfigurationError(
            f"{draws} draws at a confidence of {confidence} give no interval.", cure="Try 10000 and 0.95."
        )
    gaps = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    means = _resampled_means(gaps, draws, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Difference(difference=float(gaps.mean()), low=float(low), high=float(high), confidence=confidence)


def _resampled_means(gaps: np.ndarray, draws: int, generator: np.random.Generator) -> np.ndarray:
    size = len(gaps)
    block = max(1, _DRAWS_AT_ONCE // size)
    counts = [min(block, draws - start) for start in range(0, draws, block)]
    return np.concatenate(
        [gaps[generator.integers(size, size=(count, size))].mean(axis=1) for count in counts]
    )


def _check_share(share: float, count: int) -> None:
    if count < 1 or not 0 <= share <= 1:
        raise ConfigurationError(
            f"A share of {share} of {count} questions has no error.",
            cure="Give a share between 0 and 1, and at least one question.",
        )
