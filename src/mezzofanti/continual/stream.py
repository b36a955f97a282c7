"""A task is what one lesson plan teaches and how it is examined; a stream is tasks in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mezzofanti.errors import ConfigurationError, DataError
from mezzofanti.evaluation.questions import Question
from mezzofanti.records import Record, Sample

__all__ = ["Task", "TaskStream"]


class Task(Record):
    """Rows to learn from (`train`) and questions to be examined with (`test`). Folders are called after `name`.

    Raises `DataError` where either is empty, `ConfigurationError` for a name that no folder can have.
    """

    name: str
    train: tuple[Sample, ...]
    test: tuple[Question, ...]

    def model_post_init(self, context: object) -> None:
        """Refuse what cannot be taught or examined."""
        if (
            not self.name.strip()
            or len(self.name) > 100
            or not self.name.isprintable()
            or set(self.name) & set("/\\")
        ):
            raise ConfigurationError(
                f"A task cannot be called {self.name[:120]!r}: folders are called after it.",
                cure="Name it with letters, digits, blanks, dots and dashes, at most 100.",
            )
        if not self.train:
            raise DataError(f"Task {self.name!r} has no training rows.", cure="Give it at least one sample.")
        if not self.test:
            raise DataError(
                f"Task {self.name!r} has no exam questions.", cure="Give it at least one question."
            )


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
