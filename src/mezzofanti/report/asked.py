"""The same questions, asked after every task of every method."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from mezzofanti.report.reading import Answer, Reading

__all__ = ["SHOWPIECE", "Asked", "GroupScore", "ask", "group_scores"]

SHOWPIECE = "Write 314 in words"


@dataclass(frozen=True)
class Asked:
    """One question. `answers[i][m]` is what method m said after task i, or None where nothing was kept."""

    task: str
    prompt: str
    reference: str
    answers: tuple[tuple[Answer | None, ...], ...]


@dataclass(frozen=True)
class GroupScore:
    """Mean score and count of one group of one task's questions; `task` is the index of the task."""

    group: str
    task: int
    score: float
    questions: int


def ask(readings: Sequence[Reading], count: int = 6) -> list[Asked]:
    """Pick up to `count` questions that every learner was asked, spread evenly over the tasks.

    "Write 314 in words" comes first where it was asked. The others are picked by a hash of their id, so
    that nobody chooses what looks well.
    """
    index = [_answers(reading) for reading in readings]
    shared = set.intersection(*(set(table) for table in index)) if index else set()
    picked = _spread(sorted(shared, key=lambda key: _rank(index[0][key])), readings[0].tasks, count)
    return [_asked(key, readings, index) for key in picked]


def group_scores(reading: Reading) -> list[GroupScore]:
    """Scores of the last exam, group by group: what must not be averaged together."""
    sums: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for answer in reading.exams[-1] if reading.exams else ():
        sums[answer.group, answer.task].append(answer.score)
    return [
        GroupScore(group, reading.tasks.index(task), sum(scores) / len(scores), len(scores))
        for (group, task), scores in sums.items()
        if task in reading.tasks
    ]


_Key = tuple[str, str]
_Table = dict[_Key, dict[int, Answer]]


def _answers(reading: Reading) -> _Table:
    table: defaultdict[_Key, dict[int, Answer]] = defaultdict(dict)
    for moment, exam in enumerate(reading.exams):
        for answer in exam:
            table[answer.task, answer.id][moment] = answer
    return dict(table)


def _rank(moments: dict[int, Answer]) -> tuple[bool, bool, str]:
    answer = next(iter(moments.values()))
    showpiece = answer.prompt.casefold().startswith(SHOWPIECE.casefold())
    derivable = answer.group == "derivable"
    return not showpiece, not derivable, hashlib.sha256(answer.id.encode()).hexdigest()


def _spread(keys: list[_Key], tasks: Sequence[str], count: int) -> list[_Key]:
    """Take keys round robin over the tasks, each task's in the order given; list them task by task."""
    queues = {task: [key for key in keys if key[0] == task] for task in tasks}
    picked: list[_Key] = []
    while len(picked) < count and any(queues.values()):
        for queue in queues.values():
            if queue and len(picked) < count:
                picked.append(queue.pop(0))
    order = {key: (tasks.index(key[0]), place) for place, key in enumerate(keys) if key[0] in tasks}
    return sorted(picked, key=order.__getitem__)


def _asked(key: _Key, readings: Sequence[Reading], index: list[_Table]) -> Asked:
    example = next(iter(index[0][key].values()))
    height = max(len(reading.rows) for reading in readings)
    rows = tuple(tuple(table[key].get(moment) for table in index) for moment in range(height))
    return Asked(key[0], example.prompt, example.reference, rows)
