"""The verdict in plain words, computed from the numbers and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mezzofanti.report.comparison import comparison
from mezzofanti.report.names import (
    adapter_name,
    and_list,
    count_word,
    labels,
    language_code,
    percent,
    signed_points,
    task_name,
    task_noun,
)
from mezzofanti.report.precision import Estimate, backward_transfer, cell, overall_performance
from mezzofanti.report.reading import Reading

__all__ = ["Verdict", "verdict"]


@dataclass(frozen=True)
class Verdict:
    """`headline` says it in one breath, `numbers` with figures; `comparisons` hold Recurrent-KIF to Replay.

    `beyond` says which tasks are left out because not all learners have them.
    """

    headline: str
    numbers: str
    comparisons: tuple[str, ...]
    caution: str
    beyond: str = ""


def verdict(readings: Sequence[Reading]) -> Verdict:
    """Say what was kept of the first task, whether Recurrent-KIF beat Replay, and how far to trust it."""
    names = labels(readings)
    finished = [(name, r) for name, r in zip(names, readings, strict=True) if r.finished]
    running = [(name, r) for name, r in zip(names, readings, strict=True) if not r.finished]
    unfinished = [f"{name} is at {r.done} of {len(r.tasks)} tasks." for name, r in running]
    if not finished:
        headline = "Still learning."
        return Verdict(headline, " ".join(unfinished), (), _caution(readings), _beyond(names, readings))
    numbers = " ".join([_numbers(finished), *unfinished])
    comparisons = (*_overall(finished), *_against_replay(finished))
    return Verdict(_headline(finished), numbers, comparisons, _caution(readings), _beyond(names, readings))


def _beyond(names: Sequence[str], readings: Sequence[Reading]) -> str:
    more = [
        f"{and_list([task_name(task) for task in reading.beyond])} ({name})"
        for name, reading in zip(names, readings, strict=True)
        if reading.beyond
    ]
    return f"Left out, because not all learners have it: {', '.join(more)}." if more else ""


def _headline(named: list[tuple[str, Reading]]) -> str:
    fates: dict[str, list[str]] = {}
    for name, reading in named:
        fates.setdefault(_fate(reading), []).append(name)
    tasks = named[0][1].tasks
    sentences: list[str] = []
    for fate, names in fates.items():
        whose = _whose(tasks[0], many=len(names) > 1, again=bool(sentences))
        sentences.append(f"{and_list(names)} {fate.format(whose)}.")
    return " ".join(sentences)


def _whose(task: str, *, many: bool, again: bool) -> str:
    """'its English', then 'theirs'; a task that is no language is nobody's."""
    if not language_code(task):
        return "it" if again else task
    if again:
        return "theirs" if many else "its own"
    return f"{'their' if many else 'its'} {task_name(task)}"


def _fate(reading: Reading) -> str:
    """What became of the first task, as a clause with a place for its name.

    Kept: the end is above, or within one standard error below, what was known right after the lessons.
    Lost: half of that, or less. Not learned: the lessons themselves changed nothing.
    """
    before, learned, last = cell(reading, 0, 0), cell(reading, 1, 0), cell(reading, reading.done, 0)
    if learned is None or last is None:
        return "was not examined on {}"
    if before is not None and (learned.value <= before.value or not (learned - before).clear):
        return "did not learn {}"
    if len(reading.tasks) == 1:
        return "learned {}"
    change = last - learned
    if change.value >= 0 or not change.clear:
        return "kept {}"
    return "lost {}" if last.value <= learned.value / 2 else "lost part of {}"


def _numbers(named: list[tuple[str, Reading]]) -> str:
    tasks = named[0][1].tasks
    topic, owner = task_name(tasks[0]), "its" if language_code(tasks[0]) else "the"
    ends = [(name, cell(reading, reading.done, 0)) for name, reading in named]
    known = [(name, end.value) for name, end in ends if end is not None]
    if not known:
        return f"No answers to {topic} questions were kept."
    (first_name, first), *rest = [(name, percent(value)) for name, value in known]
    others = "".join(f", {name} {value}" for name, value in rest)
    answers = f"After {_all_of(tasks)}, {first_name} answers {first} of {owner} {topic} questions{others}."
    return f"{answers} {_learned(named, topic)}".strip() if len(tasks) > 1 else answers


def _all_of(tasks: Sequence[str]) -> str:
    return f"{count_word(len(tasks))} {task_noun(tasks)}{'s' if len(tasks) > 1 else ''}"


def _learned(named: list[tuple[str, Reading]], topic: str) -> str:
    values = [percent(learned.value) for _, r in named if (learned := cell(r, 1, 0)) is not None]
    if len(values) < len(named):
        return ""
    if len(set(values)) == 1:
        return f"Right after the {topic} lessons it was {values[0]}."
    return f"Right after the {topic} lessons it was {and_list(values)}, in that order."


def _overall(named: list[tuple[str, Reading]]) -> Iterator[str]:
    """One sentence an adapter: only what shares one is compared."""
    for adapter in dict.fromkeys(reading.adapter for _, reading in named):
        group = [(name, reading) for name, reading in named if reading.adapter == adapter]
        named_once = [(name.replace(f" ({adapter_name(adapter)})", ""), reading) for name, reading in group]
        parts = [part for name, reading in named_once if (part := _overall_part(name, reading))]
        if parts:
            on = f", with {adapter_name(adapter)}" if adapter else ""
            yield f"Over all {_all_of(group[0][1].tasks)} at the end{on}: {'; '.join(parts)}."


def _overall_part(name: str, reading: Reading) -> str:
    overall, backward = overall_performance(reading), backward_transfer(reading)
    if overall is None:
        return ""
    kept = f" (BWT\u00a0{signed_points(backward.value)})" if backward is not None else ""
    return f"{name} {_with_error(overall)}{kept}"


def _against_replay(named: list[tuple[str, Reading]]) -> Iterator[str]:
    for name, reading in named:
        if reading.method != "recurrent-kif":
            continue
        twins = [
            (other_name, other)
            for other_name, other in named
            if other.method == "replay" and other.adapter == reading.adapter and other.seed == reading.seed
        ]
        for other_name, other in twins:
            yield comparison(name, reading, other_name, other)


def _caution(readings: Sequence[Reading]) -> str:
    counts = sorted({count for reading in readings for count in reading.questions if count})
    seeds = len({reading.seed for reading in readings})
    if not counts:
        return ""
    size = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    largest = 50 / counts[0] ** 0.5
    return (
        f"Each percentage rests on {size} questions and {'one seed' if seeds == 1 else 'one run'}: its standard "
        f"error is up to {largest:.0f} points. Differences within one standard error are not an order."
    )


def _with_error(estimate: Estimate) -> str:
    return f"{percent(estimate.value)} ± {estimate.error * 100:.0f}"
