"""The page's tables as plain rows: what each method cost, its matrix, its groups, memory, samples and settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mezzofanti.report.asked import group_scores
from mezzofanti.report.names import labels
from mezzofanti.report.precision import Estimate, backward_transfer, cell, overall_performance, proportion
from mezzofanti.report.reading import Reading, SampleRow

__all__ = [
    "Cost",
    "Group",
    "Setting",
    "costs",
    "groups",
    "left_out",
    "matrices",
    "memory",
    "origin",
    "samples",
    "settings",
]

SAMPLES_A_TASK = 3
# A page is sent to others; where things lie on this machine is nobody else's concern.
UNSHOWN = ("schema", "base.path", "forked_from")


@dataclass(frozen=True)
class Cost:
    """One row of the table of methods. Counts and seconds are sums over the finished tasks."""

    label: str
    adapter: str
    seed: int
    overall: Estimate | None
    backward: Estimate | None
    seconds: float
    exam_seconds: float
    samples: int
    optimizer_steps: int
    outer_steps: int
    memory_rows: int
    learning_rate: float | None
    trainable_parameters: int | None


@dataclass(frozen=True)
class Group:
    """One method's scores on one group of questions, task by task (None: not asked)."""

    label: str
    group: str
    scores: tuple[Estimate | None, ...]
    questions: int


@dataclass(frozen=True)
class Setting:
    """One setting, method by method; `same` where all agree."""

    name: str
    values: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether every method was run with this value."""
        return len(set(self.values)) == 1


def costs(readings: Sequence[Reading]) -> list[Cost]:
    """The table of methods."""
    return [_cost(label, reading) for label, reading in zip(labels(readings), readings, strict=True)]


def _cost(label: str, reading: Reading) -> Cost:
    history = reading.history
    return Cost(
        label=label,
        adapter=reading.adapter,
        seed=reading.seed,
        overall=overall_performance(reading),
        backward=backward_transfer(reading),
        seconds=sum(row.seconds for row in history),
        exam_seconds=sum(row.exam_seconds for row in history),
        samples=sum(row.samples for row in history),
        optimizer_steps=sum(row.optimizer_steps for row in history),
        outer_steps=sum(row.outer_steps for row in history),
        memory_rows=max((row.memory_rows for row in history), default=0),
        learning_rate=history[-1].learning_rate if history else None,
        trainable_parameters=history[-1].trainable_parameters if history else None,
    )


def left_out(reading: Reading) -> list[str]:
    """Rows that were too long to be trained on, new ones and remembered ones, as sentences without an end."""
    said = []
    for what, counts in (
        ("", [(row.task, row.dropped_rows) for row in reading.history]),
        ("remembered ", [(row.task, row.dropped_memory_rows) for row in reading.history]),
    ):
        known = [f"{task} {count:,}" for task, count in counts if count]
        if known:
            said.append(f"{what}rows longer than max_length, by task learned: {', '.join(known)}")
    return said


def matrices(readings: Sequence[Reading]) -> list[tuple[tuple[Estimate | None, ...], ...]]:
    """Every method's accuracy matrix with errors."""
    return [
        tuple(tuple(cell(r, after, task) for task in range(len(r.tasks))) for after in range(len(r.rows)))
        for r in readings
    ]


def groups(readings: Sequence[Reading]) -> list[Group]:
    """The last exam scored group by group; empty unless some question is outside the first group."""
    found = [
        (label, reading, group_scores(reading))
        for label, reading in zip(labels(readings), readings, strict=True)
    ]
    kinds = list(dict.fromkeys(score.group for _, _, scores in found for score in scores))
    if len(kinds) < 2:
        return []
    rows = []
    for kind in kinds:
        for label, reading, scores in found:
            mine = {s.task: proportion(s.score, s.questions) for s in scores if s.group == kind}
            asked = max((s.questions for s in scores if s.group == kind), default=0)
            columns = tuple(mine.get(task) for task in range(len(reading.tasks)))
            rows.append(Group(label, kind, columns, asked))
    return rows


def samples(readings: Sequence[Reading]) -> list[tuple[str, tuple[SampleRow, ...]]]:
    """A few rows each task was taught from, read from the first learner that kept some."""
    chosen = []
    for task in readings[0].tasks:
        rows = next((r.samples[task] for r in readings if r.samples.get(task)), ())
        if rows:
            chosen.append((task, rows[:SAMPLES_A_TASK]))
    return chosen


def origin(row: SampleRow) -> str:
    """Who wrote a row and where it comes from, in words."""
    known = {key: str(value) for key, value in row.lineage.items() if value}
    if row.lineage.get("template"):
        writer = "Written by a program from a template"
    elif "teacher" in known:
        writer = f"Written by the teacher {known['teacher']}"
    else:
        writer = "Text as its source has it"
    places = [f"{key}: {known[key]}" for key in ("source", "license", "url") if key in known]
    skill = [f"skill: {row.skill}"] if row.skill else []
    return " · ".join([writer, *places, *skill])


def memory(readings: Sequence[Reading]) -> list[tuple[str, tuple[int, ...]]]:
    """How many rows each method still holds of each task; empty where none holds any."""
    table = [(task, tuple(r.memory.get(task, 0) for r in readings)) for task in readings[0].tasks]
    return table if any(any(counts) for _, counts in table) else []


def settings(readings: Sequence[Reading]) -> list[Setting]:
    """Every setting of every method, in the order of the first file that has it."""
    flat = [dict(_flatten(reading.settings)) for reading in readings]
    keys = list(dict.fromkeys(key for table in flat for key in table))
    shown = [key for key in keys if key not in UNSHOWN]
    return [Setting(key, tuple(table.get(key, "–") for table in flat)) for key in shown]


def _flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flatten(inner, f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list | tuple):
        yield prefix, ", ".join(str(item) for item in value)
    else:
        yield prefix, "" if value is None else str(value)
