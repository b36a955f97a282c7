"""Joint: all tasks of the stream mixed from the first step (MTL in the papers). The ceiling, not a rival.

It sees at once what the others see one after another. Its matrix is read after the same number of steps as theirs.
"""

from __future__ import annotations

from collections.abc import Sequence

from mezzofanti.continual.memory import Row
from mezzofanti.continual.methods.base import Method, Plan

__all__ = ["Joint"]


class Joint(Method):
    """Multi-task training. Seams used: `training_data`; the learner passes all rows of the stream as `rows`."""

    name = "joint"
    whole_stream = True

    def training_data(self, rows: Sequence[Row], memory: Sequence[Row], plan: Plan) -> list[list[Row]]:
        """Batches drawn from the rows of all tasks; the memory is not used."""
        return super().training_data(rows, (), plan)
