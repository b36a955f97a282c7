"""A task is what one lesson plan teaches and how it is examined; a stream is tasks in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mezzofanti.errors import ConfigurationError, DataError
from mezzofanti.evaluation.questions import Question
from mezzofanti.records import Sample

__all__ = ["Task", "TaskStream"]


@dataclass(frozen=True)
class Task:
    """Rows to learn from (`train`) and questions to be examined with (`test`). Folders are called after `name`.

    Raises `DataError` where either is empty or holds something else, `ConfigurationError` for a name that no folder
    can have.
    """

    name: str
    train: tuple[Sample, ...]
    test: tuple[Question, ...]

    def __post_init__(self) -> None:
        """Refuse what cannot be taught or examined."""
        if not _names_a_folder(self.name):
            raise ConfigurationError(
                f"A task cannot be called {self.name[:120]!r}: folders are called after it.",
                cure="Name it with letters, digits, blanks, dots and dashes, at most 100.",
            )
        for field, kind in (("train", Sample), ("test", Question)):
            rows = tuple(getattr(self, field))
            if not rows or not all(isinstance(row, kind) for row in rows):
                what = "has no" if not rows else "holds something else than"
                raise DataError(
                    f"Task {self.name!r} {what} {'training rows' if kind is Sample else 'exam questions'}.",
                    cure=f"Give `{field}` at least one {kind.__name__}.",
                )
            object.__setattr__(self, field, rows)


def _names_a_folder(name: str) -> bool:
    return bool(name.strip()) and len(name) <= 100 and name.isprintable() and not set(name) & set("/\\")


class TaskStream:
    """Tasks in the order they are learned. Names are unique: a matrix column is one task."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        names = [task.name for task in tasks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigurationError(
                f"Two tasks are called {twice[0]!r}.", cure="Give each task its own name."
            )
        self.tasks = tuple(tasks)

    @property
    def names(self) -> list[str]:
        """The names of the tasks, in order."""
        return [task.name for task in self.tasks]

    def __iter__(self) -> Iterator[Task]:
        return iter(self.tasks)

    def __len__(self) -> int:
        return len(self.tasks)
