"""An exam: every question answered by the model, every answer scored and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mezzofanti.evaluation.generation import answer
from mezzofanti.evaluation.questions import Question, Spoken
from mezzofanti.evaluation.scorers import SCORERS

__all__ = ["Answer", "beyond", "examine", "group_scores", "score"]

Papers = Mapping[str, Sequence[Question]]
Progress = Callable[[int, int], None]


class Answer(Spoken):
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
    papers: Papers,
    *,
    max_new_tokens: int = 48,
    batch_size: int = 60,
    progress: Progress | None = None,
) -> list[Answer]:
    """Put every question of every task's paper (`{task: questions}`) to the model; answers in the same order.

    An answer is one line where every reference of its paper is one. None gets more tokens than the longest reference
    has and four (a longer one is wrong already), nor more than `max_new_tokens`: see `beyond`.
    """
    asked = [(task, question) for task, questions in papers.items() for question in questions]
    brief = {task: all(_one_line(q.reference) for q in questions) for task, questions in papers.items()}
    said = [""] * len(asked)
    done = 0
    for one_line in (True, False):
        places = [place for place, (task, _) in enumerate(asked) if brief[task] is one_line]
        if not places:
            continue
        questions = [asked[place][1] for place in places]
        words = answer(
            model,
            tokenizer,
            [question.prompt for question in questions],
            systems=[question.system for question in questions],
            max_new_tokens=min(max_new_tokens, _longest(tokenizer, questions) + 4),
            batch_size=batch_size,
            one_line=one_line,
            progress=_after(done, len(asked), progress),
        )
        for place, text in zip(places, words, strict=True):
            said[place] = text
        done += len(places)
    return [_scored(task, question, words) for (task, question), words in zip(asked, said, strict=True)]


def beyond(tokenizer: Any, papers: Papers, max_new_tokens: int) -> dict[str, int]:
    """Count, task by task, the references that have more tokens than an answer may have; tasks without are left out."""
    counts = {
        task: sum(_tokens(tokenizer, question.reference) > max_new_tokens for question in questions)
        for task, questions in papers.items()
    }
    return {task: count for task, count in counts.items() if count}


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


def _one_line(reference: str) -> bool:
    return "\n" not in reference.strip()


def _after(done: int, total: int, progress: Progress | None) -> Progress | None:
    return None if progress is None else lambda answered, _: progress(done + answered, total)


def _longest(tokenizer: Any, questions: Sequence[Question]) -> int:
    return max(len(tokenizer(question.reference)["input_ids"]) for question in questions)


def _tokens(tokenizer: Any, text: str) -> int:
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])


def _scored(task: str, question: Question, words: str) -> Answer:
    worth = SCORERS[question.scorer](words, question.reference)
    return Answer(
        task=task,
        id=question.id,
        prompt=question.prompt,
        system=question.system,
        reference=question.reference,
        answer=words,
        score=worth,
        group=question.group,
    )
