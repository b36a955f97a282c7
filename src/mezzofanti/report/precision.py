"""How sure a score is: binomial standard errors of a cell, of OP and of BWT.

A score p over n questions has the standard error sqrt(p (1 - p) / n) (`evaluation/statistics.py`). Where all or none
are right that formula claims certainty, so there p is taken as (k + 1) / (n + 2) for k right answers (Laplace's rule
of succession). For scores between right and wrong (chrF) p (1 - p) bounds the variance from above, so the error is an
upper one. Errors of different cells are taken as independent. The same questions are asked every time, so true errors
of differences are, as a rule, smaller: which of two learners is better is settled by pairs of answers
(`comparison.py`), not by these errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from mezzofanti.evaluation.statistics import proportion_error
from mezzofanti.report.reading import Reading

__all__ = ["Estimate", "backward_transfer", "cell", "overall_performance", "proportion"]


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error, both in 0..1 (differences: -1..1)."""

    value: float
    error: float

    def __sub__(self, other: Estimate) -> Estimate:
        return Estimate(self.value - other.value, math.hypot(self.error, other.error))

    @property
    def clear(self) -> bool:
        """Whether the value is further from zero than its standard error."""
        return abs(self.value) > self.error


def proportion(score: float, questions: int) -> Estimate:
    """The score of `questions` questions with its binomial standard error."""
    if questions < 1:
        return Estimate(score, 0.5)
    smoothed = (score * questions + 1) / (questions + 2) if score <= 0 or score >= 1 else score
    return Estimate(score, proportion_error(smoothed, questions))


def cell(reading: Reading, after: int, task: int) -> Estimate | None:
    """The score on `task` (from 0) after task `after` (0 is before any lesson), or None where not examined."""
    score = reading.rows[after][task]
    return None if score is None else proportion(score, reading.questions[task])


def overall_performance(reading: Reading) -> Estimate | None:
    """OP, the mean of the last row; None until every task is learned and examined."""
    if not reading.finished:
        return None
    return _mean([cell(reading, reading.done, task) for task in range(len(reading.tasks))])


def backward_transfer(reading: Reading) -> Estimate | None:
    """BWT, the mean over all tasks but the last of (score at the end - score right after its own lessons).

    None until every task is learned and examined, and where there is one task only. Source: Lopez-Paz and
    Ranzato 2017, arXiv:1706.08840, equation 3.
    """
    if not reading.finished:
        return None
    changes: list[Estimate | None] = []
    for task in range(len(reading.tasks) - 1):
        last, learned = cell(reading, reading.done, task), cell(reading, task + 1, task)
        changes.append(None if last is None or learned is None else last - learned)
    return _mean(changes)


def _mean(parts: list[Estimate | None]) -> Estimate | None:
    known = [part for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    error = math.sqrt(sum(part.error**2 for part in known)) / len(known)
    return Estimate(sum(part.value for part in known) / len(known), error)
