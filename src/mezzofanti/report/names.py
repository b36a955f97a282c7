"""What a reader sees instead of a key: names of methods, tasks and moments, numbers as text, language codes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from babel import Locale

from mezzofanti.report.reading import Reading

__all__ = [
    "adapter_name",
    "and_list",
    "count_word",
    "duration",
    "labels",
    "language_code",
    "method_name",
    "moments",
    "percent",
    "signed_points",
    "task_name",
    "task_noun",
]

_METHODS = {
    "sequential": "Sequential",
    "replay": "Replay",
    "recurrent-kif": "Recurrent-KIF",
    "joint": "Joint",
    "ewc": "EWC",
    "lwf": "LwF",
    "olora": "O-LoRA",
    "tasl": "TaSL",
}
_ADAPTERS = {"lora": "LoRA", "malora": "MALoRA", "molora": "MoLoRA"}
_COUNTS = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]


def method_name(method: str) -> str:
    """'recurrent-kif' as a person writes it."""
    return _METHODS.get(method, method)


def adapter_name(adapter: str) -> str:
    """'malora' as a person writes it."""
    return _ADAPTERS.get(adapter, adapter)


def labels(readings: Sequence[Reading]) -> list[str]:
    """One distinct name a learner: the method, and as much more (adapter, seed, folder) as tells them apart."""
    names = [method_name(reading.method) for reading in readings]
    details = (
        [f" ({adapter_name(r.adapter)})" for r in readings],
        [f", seed {r.seed}" for r in readings],
        [f", {r.folder}" for r in readings],
    )
    for detail in details:
        names = _told_apart(names, detail)
    return names


def _told_apart(names: list[str], details: list[str]) -> list[str]:
    """Add its detail to a name that several bear, where the detail differs among them."""
    differing = {
        name: len({d for n, d in zip(names, details, strict=True) if n == name}) > 1 for name in set(names)
    }
    return [name + detail * differing[name] for name, detail in zip(names, details, strict=True)]


@cache
def _languages() -> dict[str, str]:
    names = dict(Locale("en").languages.items())
    codes = {code.casefold(): code for code in names if len(code) == 2}
    return codes | {name.casefold(): code.replace("_", "-") for code, name in names.items()}


def language_code(task: str) -> str:
    """The BCP 47 code of a task named for a language ("french", "fr", "french-leads"), else ""."""
    whole = task.casefold()
    first = whole.replace("_", "-").split("-")[0]
    return _languages().get(whole) or _languages().get(first, "")


def task_name(task: str) -> str:
    """'english' as 'English'; names that are not languages stay as they are."""
    return task[:1].upper() + task[1:] if language_code(task) and len(task) > 2 else task


def task_noun(tasks: Sequence[str]) -> str:
    """'language' if every task is named for one, else 'task'."""
    return "language" if all(language_code(task) for task in tasks) else "task"


def moments(tasks: Sequence[str]) -> list[str]:
    """The K+1 moments of examination: before any lesson, then after each task."""
    return ["before", *(f"after {task_name(task)}" for task in tasks)]


def count_word(count: int) -> str:
    """Small counts in words."""
    return _COUNTS[count] if count < len(_COUNTS) else str(count)


def and_list(items: Sequence[str]) -> str:
    """'a, b and c'."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def percent(score: float) -> str:
    """A score in 0..1 as whole per cent, with a space that does not break."""
    return f"{score * 100:.0f}\u00a0%"


def signed_points(difference: float) -> str:
    """A difference of two scores as whole points, signed with a true minus."""
    rounded = round(difference * 100)
    return f"{rounded:+d}".replace("-", "−") if rounded else "0"


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f}\u00a0s"
    minutes = round(seconds / 60)
    return f"{minutes}\u00a0min" if minutes < 90 else f"{minutes // 60}\u00a0h {minutes % 60:02d}\u00a0min"
