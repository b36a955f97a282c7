"""The replay memory: a few rows of every finished task, kept for ever.

The paper keeps 2 % of each earlier task's rows, with a quota per class (Recurrent-KIF, arXiv:2502.17510;
reference `load_data.py`); here the quota is per `skill`. A row is a plain dict: a sample (`messages`, ...), or a row
already encoded (`input_ids`, `labels`) as a trainer holds it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from mezzofanti.errors import ConfigurationError
from mezzofanti.files import read_jsonl, write_jsonl

__all__ = ["Memory", "Row"]

Row = Mapping[str, Any]


class Memory:
    """At most `rows_per_task` rows of each task. With a `folder`, one JSON Lines file a task lasts there."""

    def __init__(self, rows_per_task: int = 60, folder: Path | str | None = None) -> None:
        if rows_per_task < 0:
            raise ConfigurationError(f"rows_per_task is {rows_per_task}.", cure="Give zero or more.")
        self.rows_per_task = rows_per_task
        self.folder = Path(folder) if folder is not None else None
        self._rows: dict[str, list[Row]] = {}
        for path in sorted(self.folder.glob("*.jsonl")) if self.folder else ():
            self._rows[_task_of(path)] = list(read_jsonl(path))

    @property
    def tasks(self) -> list[str]:
        """The tasks remembered, in the order they were learned."""
        return list(self._rows)

    def __len__(self) -> int:
        return sum(len(rows) for rows in self._rows.values())

    def rows(self, *, before: str | None = None) -> list[Row]:
        """All rows, of the oldest task first; with `before`, only those of tasks learned before it."""
        kept: list[Row] = []
        for task, rows in self._rows.items():
            if task == before:
                break
            kept += rows
        return kept

    def keep(self, tasks: Collection[str]) -> None:
        """Forget every task that is not among `tasks`, on disk as well."""
        for path in list(self.folder.glob("*.jsonl")) if self.folder else ():
            if _task_of(path) not in tasks:
                path.unlink()
        self._rows = {task: rows for task, rows in self._rows.items() if task in tasks}

    def add(self, task: str, rows: Sequence[Row], *, seed: int = 0) -> list[Row]:
        """Remember a share of `rows` under the name `task` and return what was chosen; replaces an earlier choice."""
        chosen = choose(rows, self.rows_per_task, seed=f"{seed}-{task}")
        self._rows[task] = chosen
        if self.folder is not None:
            number = self.tasks.index(task) + 1
            write_jsonl(self.folder / f"{number:02d}-{task}.jsonl", chosen)
        return chosen


def _task_of(path: Path) -> str:
    return path.name.removesuffix(".jsonl").split("-", 1)[1]


def choose(rows: Sequence[Row], count: int, *, seed: str) -> list[Row]:
    """Choose `count` rows, as even over their `skill` as the rows allow; the same choice for the same seed."""
    generator = random.Random(seed)
    strata: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        strata[str(row.get("skill", ""))].append(index)
    for members in strata.values():
        generator.shuffle(members)
    quota = count // len(strata) if strata else 0
    chosen = [index for members in strata.values() for index in members[:quota]]
    rest = [index for members in strata.values() for index in members[quota:]]
    chosen += generator.sample(rest, min(count - len(chosen), len(rest)))
    return [dict(rows[index]) for index in sorted(chosen)]
