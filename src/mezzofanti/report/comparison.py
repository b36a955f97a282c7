"""Is one learner better than another? Settled by pairs: what both answered to the same questions of the last exam."""

from __future__ import annotations

from mezzofanti.evaluation.statistics import Difference, paired_bootstrap
from mezzofanti.report.reading import Reading

__all__ = ["compared", "comparison"]

GROUP = "derivable"
"""The questions that a cell of the matrix is made of."""


def compared(first: Reading, second: Reading) -> Difference | None:
    """How far `first` ends above `second`: the difference of OP, and its 95 % interval by the paired bootstrap.

    None where the last exam's answers were not kept, or are not to the same questions.
    """
    one, other = _last_scores(first), _last_scores(second)
    tasks = [task for task, _ in one]
    if not one or one.keys() != other.keys() or set(tasks) != set(first.tasks):
        return None
    # OP weighs tasks alike, however many questions each has
    weights = [len(one) / (len(first.tasks) * tasks.count(task)) for task in tasks]
    return paired_bootstrap(
        [weight * one[key] for weight, key in zip(weights, one, strict=True)],
        [weight * other[key] for weight, key in zip(weights, one, strict=True)],
    )


def comparison(name: str, first: Reading, other_name: str, second: Reading) -> str:
    """One sentence: `name` beats `other_name` only where the interval leaves no doubt about these questions."""
    found = compared(first, second)
    if found is None:
        return (
            f"Whether {name} beats {other_name} here cannot be told: "
            "their answers to the same questions were not kept."
        )
    size = round(abs(found.difference) * 100)
    by = f"by {size} point{'' if size == 1 else 's'}"
    if found.is_clear and found.difference > 0:
        return f"{name} beats {other_name} here {by} ({_interval(found)}; the same questions, one run each)."
    if found.is_clear:
        return (
            f"{name} does not beat {other_name} here: {other_name} ends above it {by} ({_interval(found)})."
        )
    where = f"{'above' if found.difference > 0 else 'below'} it {by}" if size else "level with it"
    return (
        f"{name} does not beat {other_name} here: it ends {where}, "
        f"and the two cannot be told apart ({_interval(found)})."
    )


def _interval(found: Difference) -> str:
    return f"95\u00a0% interval: {_side(found.low)} to {_side(found.high)}"


def _side(end: float) -> str:
    points = abs(end) * 100
    if not points:
        return "level"
    # an end near zero must not read as zero: the sentence before hangs on its side
    size = f"{points:.0f}" if points >= 0.5 else f"{max(points, 0.1):.1f}"
    return f"{size} point{'' if size == '1' else 's'} {'above' if end > 0 else 'below'}"


def _last_scores(reading: Reading) -> dict[tuple[str, str], float]:
    exam = reading.exams[reading.done] if len(reading.exams) > reading.done else ()
    return {(answer.task, answer.id): answer.score for answer in exam if answer.group == GROUP}
