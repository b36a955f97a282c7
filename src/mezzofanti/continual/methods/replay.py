"""Replay: every batch holds remembered rows beside the new ones (LoRAReplay in the papers).

With n new rows a batch, round(share * n) rows of the memory join them. The default share of one half is what
Recurrent-KIF draws with Q = 8 and S = 4: as many memory rows a task, in fewer and larger optimizer steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mezzofanti.continual.memory import Row
from mezzofanti.continual.methods.base import Method, Plan, epochs
from mezzofanti.continual.methods.checks import number

__all__ = ["Replay"]


class Replay(Method):
    """Rehearsal from memory: `share` remembered rows join each new row of a batch. Seams used: `training_data`."""

    name = "replay"
    uses_memory = True

    def __init__(self, *, share: float = 0.5) -> None:
        number(self.name, "share", share, least=0, most=4)
        self.share = share

    @property
    def settings(self) -> dict[str, Any]:
        """Type and share."""
        return {"type": self.name, "share": self.share}

    def training_data(self, rows: Sequence[Row], memory: Sequence[Row], plan: Plan) -> list[list[Row]]:
        """New rows as ever; to each batch its share of the memory, epoch after epoch of it."""
        batches = super().training_data(rows, memory, plan)
        count = round(self.share * plan.batch_size)
        if not memory or not count:
            return batches
        old = epochs(memory, count * len(batches), seed=f"{plan.seed}-old")
        return [batch + old[i * count : (i + 1) * count] for i, batch in enumerate(batches)]
