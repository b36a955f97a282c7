"""The result as a table: per cent, with an error that says what it is an error of."""

from __future__ import annotations

from math import sqrt
from typing import Any

from benchmarks.school.setting import METHODS
from mezzofanti.evaluation.statistics import Mean, mean_over_seeds, proportion_error

__all__ = ["table"]

HEAD = "| method / adapter | seeds | OP, % | BWT, points | samples | optimizer steps | learning rate |"


def table(result: dict[str, Any]) -> str:
    """One Markdown row a cell: means over seeds and their standard error.

    With one seed the error is the binomial one over its exam questions, and is marked "q": it says nothing about
    another seed.
    """
    questions = result["questions"]
    lines = [HEAD, "|---|---|---|---|---|---|---|"]
    methods = result.get("methods", {})
    for cell in (cell for cell in METHODS if methods.get(cell)):
        runs = list(methods[cell].values())
        op = _mean([100 * run["op"] for run in runs], [_op_error(run["matrix"], questions) for run in runs])
        bwt = _mean(
            [100 * run["bwt"] for run in runs], [_bwt_error(run["matrix"], questions) for run in runs]
        )
        costs = f"{runs[0]['samples']} | {runs[0]['optimizer_steps']} | {runs[0]['learning_rate']:g}"
        lines.append(f"| {cell} | {len(runs)} | {op} | {bwt} | {costs} |")
    return "\n".join(lines)


def _mean(values: list[float], question_errors: list[float]) -> str:
    found: Mean = mean_over_seeds(values)
    if found.error is None:
        return f"{found.mean:.1f} ± {100 * question_errors[0]:.1f} q"
    return f"{found.mean:.1f} ± {found.error:.1f}"


def _op_error(matrix: list[list[float]], questions: int) -> float:
    return sqrt(sum(proportion_error(p, questions) ** 2 for p in matrix[-1])) / len(matrix[-1])


def _bwt_error(matrix: list[list[float]], questions: int) -> float:
    earlier = range(len(matrix[-1]) - 1)
    parts = [(matrix[-1][j], matrix[j + 1][j]) for j in earlier]
    return sqrt(sum(proportion_error(p, questions) ** 2 for pair in parts for p in pair)) / len(parts)
