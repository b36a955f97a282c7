"""What a method against forgetting may do: four seams, each a no-op by default.

`training_data` chooses the rows (Replay, Joint); `prepare_model` changes the model before a task; `loss` adds to the
loss; `callbacks` join the trainer's (Recurrent-KIF). A method is one class in one file.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, ClassVar

from mezzofanti.continual.memory import Row
from mezzofanti.records import Record

__all__ = ["Method", "Plan", "epochs"]


class Plan(Record):
    """How much is trained in one task: `steps` optimizer steps of `batch_size` new rows each."""

    steps: int
    batch_size: int
    seed: int


class Method:
    """Base of all methods. `name` is what a recipe and a report call it.

    `uses_memory`: the method looks at remembered rows. `whole_stream`: it is given the rows of all tasks at once.
    """

    name: ClassVar[str] = ""
    uses_memory: ClassVar[bool] = False
    whole_stream: ClassVar[bool] = False

    @property
    def settings(self) -> dict[str, Any]:
        """The method's settings as JSON values, `type` first; what `create` takes to make it again."""
        return {"type": self.name}

    def training_data(self, rows: Sequence[Row], memory: Sequence[Row], plan: Plan) -> list[list[Row]]:
        """The batches of one task, in order: `plan.steps` of them, all of one size."""
        drawn = epochs(rows, plan.steps * plan.batch_size, seed=f"{plan.seed}-new")
        return [drawn[start : start + plan.batch_size] for start in range(0, len(drawn), plan.batch_size)]

    def prepare_model(self, model: Any, task_index: int) -> None:
        """Change `model` before task `task_index` (0-based)."""

    def loss(self, model: Any, inputs: Any, loss: Any) -> Any:
        """Return the loss to train on, given the plain one."""
        return loss

    def callbacks(self) -> list[Any]:
        """Callbacks to join the trainer's."""
        return []


def epochs(rows: Sequence[Row], count: int, *, seed: str) -> list[Row]:
    """`count` rows: each epoch is all rows in a new order, as many epochs as it takes."""
    generator = random.Random(seed)
    drawn: list[Row] = []
    while len(drawn) < count:
        drawn += generator.sample(list(rows), len(rows))
    return drawn[:count]
