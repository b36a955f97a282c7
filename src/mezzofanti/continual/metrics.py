"""The accuracy matrix, and what the field reads off it.

a[i][j] is the score on task j after i tasks were learned (i = 0: before any training), 0 to 1; K tasks.

    OP  = mean over j of a[K][j]                       how good it is at everything, at the end
    BWT = mean over j < K of a[K][j] - a[j][j]         what later tasks did to earlier ones (negative: forgetting)
    FWT = mean over j > 1 of a[j-1][j] - a[0][j]       what earlier tasks did for later ones
    forgetting = mean over j < K of max over 0 < i < K of a[i][j] - a[K][j]

OP and BWT as in Recurrent-KIF (arXiv:2502.17510, `eval_avgPerf.py`, `eval_bwt.py`). Others turn BWT's sign or divide by
K: compare figures only with their formula beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mezzofanti.errors import StateError
from mezzofanti.evaluation.statistics import proportion_error

__all__ = ["AccuracyMatrix"]

Cell = float | None


class AccuracyMatrix:
    """K+1 rows (row 0 before any training), K columns (tasks in order). A cell is None until it was examined."""

    def __init__(
        self, tasks: Sequence[str], questions: Sequence[int], rows: Sequence[Sequence[Cell]] = ()
    ) -> None:
        self.tasks = list(tasks)
        self.questions = list(questions)
        self.rows: list[list[Cell]] = [list(row) for row in rows]

    def set_row(self, index: int, scores: Sequence[Cell]) -> None:
        """Set row `index`; rows are written in order."""
        if index > len(self.rows):
            raise StateError(
                f"Row {index} of the matrix cannot follow row {len(self.rows) - 1}.", cure="Examine in order."
            )
        self.rows[index:] = [list(scores)]

    @property
    def learned(self) -> int:
        """How many tasks were learned and examined."""
        return max(0, len(self.rows) - 1)

    @property
    def op(self) -> float | None:
        """Overall performance: the mean of the last row over the tasks learned; None before any."""
        k = self.learned
        return _mean([self.rows[k][j] for j in range(k)]) if k else None

    @property
    def bwt(self) -> float | None:
        """Backward transfer over the tasks learned; None before the second."""
        k = self.learned
        return _mean([_minus(self.rows[k][j], self.rows[j + 1][j]) for j in range(k - 1)]) if k > 1 else None

    @property
    def fwt(self) -> float | None:
        """Forward transfer over the tasks learned; None before the second."""
        k = self.learned
        return _mean([_minus(self.rows[j][j], self.rows[0][j]) for j in range(1, k)]) if k > 1 else None

    @property
    def forgetting(self) -> float | None:
        """Mean fall from each earlier task's best score to its last; None before the second task."""
        k = self.learned
        if k < 2:
            return None
        falls = []
        for j in range(k - 1):
            seen = [row[j] for row in self.rows[1:k] if row[j] is not None]
            falls.append(_minus(max(seen), self.rows[k][j]) if seen else None)  # type: ignore[type-var]
        return _mean(falls)

    def standard_error(self, row: int, column: int) -> float | None:
        """Binomial standard error of one cell from its number of questions."""
        score, questions = self.rows[row][column], self.questions[column]
        return None if score is None or not questions else proportion_error(score, questions)

    def as_json(self) -> dict[str, Any]:
        """The matrix as JSON values."""
        return {
            "tasks": self.tasks,
            "questions": self.questions,
            "rows": self.rows,
            "op": self.op,
            "bwt": self.bwt,
            "fwt": self.fwt,
            "forgetting": self.forgetting,
        }


def _minus(left: Cell, right: Cell) -> Cell:
    return None if left is None or right is None else left - right


def _mean(values: Sequence[Cell]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
