"""An exam: every question answered by the model, every answer scored and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mezzofanti.evaluation.generation import answer
from mezzofanti.evaluation.questions import Question
from mezzofanti.evaluation.scorers import SCORERS
from mezzofanti.records import Record

__all__ = ["Answer", "examine", "group_scores", "score"]


class Answer(Record):
    """A question, what the model said, and what that is worth (0 to 1)."""

    task: str
    id: str
    prompt: str
    reference: str
    answer: str
    score: float
    group: str


def examine(
    model: Any,
    tokenizer: Any,
    papers: dict[str, Sequence[Question]],
    *,
    max_new_tokens: int = 48,
    batch_size: int = 60,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """Put every question of every task's paper (`{task: questions}`) to the model; answers in the same order.

    No answer gets more tokens than the longest reference has and four: a longer one is wrong already.
    """
    asked = [(task, question) for task, questions in papers.items() for question in questions]
    said = answer(
        model,
        tokenizer,
        [question.prompt for _, question in asked],
        max_new_tokens=min(max_new_tokens, _longest(tokenizer, asked) + 4),
        batch_size=batch_size,
        progress=progress,
    )
    return [_scored(task, question, words) for (task, question), words in zip(asked, said, strict=True)]


def score(answers: Sequence[Answer], task: str, group: str = "derivable") -> float | None:
    """Mean score of one task's questions of one group; None where it has none."""
    scores = [a.score for a in answers if a.task == task and a.group == group]
    return sum(scores) / len(scores) if scores else None


def group_scores(answers: Sequence[Answer]) -> dict[str, dict[str, float]]:
    """`{task: {group: mean score}}` over all answers."""
    pairs = dict.fromkeys((a.task, a.group) for a in answers)
    found: dict[str, dict[str, float]] = {}
    for task, group in pairs:
        found.setdefault(task, {})[group] = score(answers, task, group) or 0.0
    return found


def _longest(tokenizer: Any, asked: Sequence[tuple[str, Question]]) -> int:
    return max((len(tokenizer(question.reference)["input_ids"]) for _, question in asked), default=1)


def _scored(task: str, question: Question, words: str) -> Answer:
    worth = SCORERS[question.scorer](words, question.reference)
    return Answer(
        task=task,
        id=question.id,
        prompt=question.prompt,
        reference=question.reference,
        answer=words,
        score=worth,
        group=question.group,
    )
