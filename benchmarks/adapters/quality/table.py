"""What the cells say: the gate, averages with errors, and what every task gained or lost by being mixed."""

from __future__ import annotations

from math import sqrt
from statistics import mean, stdev
from typing import Any

from mezzofanti.evaluation.statistics import mean_over_seeds, proportion_error

__all__ = ["RIVAL", "cells_of", "gate", "passed", "summary", "table"]

RIVAL = "lora-equal"
"""Whom every contestant is compared with where nobody else is named."""
SURE = 3.0
"""Standard errors by which a task alone must beat the majority class."""


def gate(single: dict[str, Any], task: str) -> dict[str, Any]:
    """Say whether a task counts: alone it must beat its exam's most frequent answer by three standard errors."""
    score, majority = single["scores"][task], single["majority"][task]
    count = single["questions"][task]
    # the larger of the two errors: a score of 0 or 1 has none of its own
    error = max(proportion_error(score, count), proportion_error(majority, count))
    return {"score": score, "majority": majority, "error": error, "counts": score - majority > SURE * error}


def passed(found: dict[str, Any]) -> list[str]:
    """The tasks of a study that count; those whose single-task run is missing do not."""
    singles = found.get("single", {})
    return [task for task in found["tasks"] if task in singles and gate(singles[task], task)["counts"]]


def summary(found: dict[str, Any], rival: str = RIVAL) -> dict[str, Any]:
    """Every contestant of a study: average, seesaw, imbalance; all in per cent or points, over the tasks that count.

    `seesaw` of a task: its mean mixed score minus the score of LoRA of equal parameters that learned it alone.
    `imbalance`: the standard deviation of these over the tasks. `lost`: the mean of their negative parts.
    `difference`: the average minus the rival's (LoRA of equal parameters), seed by seed or question by question;
    `by_seed` has it for each seed. The rival is any row.
    Cells at a rate that the search did not end with have rows of their own, `malora at 0.002`.
    """
    tasks, everyone = passed(found), cells_of(found)
    singles = {task: 100 * found["single"][task]["scores"][task] for task in tasks}
    rows = {}
    for name, cells in everyone.items():
        if not tasks:
            break
        scores = {task: [100 * cell["scores"][task] for cell in cells.values()] for task in tasks}
        seesaw = {task: mean(scores[task]) - singles[task] for task in tasks}
        rows[name] = {
            **_average(list(cells.values()), tasks),
            **_difference(cells, everyone.get(rival, {}), tasks),
            "scores": {task: mean(values) for task, values in scores.items()},
            "seesaw": seesaw,
            "imbalance": stdev(seesaw.values()) if len(tasks) > 1 else 0.0,
            "lost": mean(max(0.0, -points) for points in seesaw.values()),
            "seconds": mean(cell["seconds"] for cell in cells.values()),
        }
    return {"tasks": tasks, "single": singles, "contestants": rows}


def cells_of(found: dict[str, Any]) -> dict[str, Any]:
    """The cells of every contestant by seed, those at another rate than its search ended with under `NAME at RATE`."""
    return {**found.get("cells", {}), **found.get("other_rates", {})}


def _average(cells: list[dict[str, Any]], tasks: list[str]) -> dict[str, Any]:
    found = mean_over_seeds([mean(100 * cell["scores"][task] for task in tasks) for cell in cells])
    if found.error is not None:
        return {"average": found.mean, "error": found.error, "error_of": "seeds", "seeds": found.count}
    (cell,) = cells
    errors = [100 * proportion_error(cell["scores"][task], cell["questions"][task]) for task in tasks]
    error = sqrt(sum(one * one for one in errors)) / len(tasks)
    return {"average": found.mean, "error": error, "error_of": "questions", "seeds": 1}


def _difference(cells: dict[str, Any], rival: dict[str, Any], tasks: list[str]) -> dict[str, Any]:
    """What a contestant has more than its rival, in points: same rows and same exam seed by seed."""
    seeds = [seed for seed in cells if seed in rival]
    gaps = [[_gaps(cells[seed], rival[seed], task) for task in tasks] for seed in seeds]
    means = [100 * mean(mean(of_task) for of_task in of_seed) for of_seed in gaps]
    if not means or cells is rival:
        return {"difference": None, "difference_error": None, "by_seed": {}}
    found = mean_over_seeds(means)
    error = found.error
    if error is None:
        variances = [stdev(of_task) ** 2 / len(of_task) for of_task in gaps[0]]
        error = 100 * sqrt(sum(variances)) / len(tasks)
    by_seed = dict(zip(seeds, means, strict=True))
    return {"difference": found.mean, "difference_error": error, "by_seed": by_seed}


def _gaps(cell: dict[str, Any], rival: dict[str, Any], task: str) -> list[int]:
    pairs = zip(cell["marks"][task], rival["marks"][task], strict=True)
    return [int(one) - int(other) for one, other in pairs]


def table(result: dict[str, Any], rival: str = RIVAL) -> str:
    """The result as Markdown: one table a study, every contestant against a rival."""
    return "\n\n".join(
        _study(name, found, rival) for name, found in result["studies"].items() if cells_of(found)
    )


def _study(name: str, found: dict[str, Any], rival: str) -> str:
    what = summary(found, rival)
    tasks = what["tasks"]
    left_out = [task for task in found["tasks"] if task not in tasks]
    lines = [f"{name}: {len(tasks)} of {len(found['tasks'])} tasks count"]
    lines[0] += f" (not {', '.join(left_out)})" if left_out else ""
    lines += [
        "",
        f"| contestant | parameters | seeds | average, % | minus {rival} | imbalance | lost | {' | '.join(tasks)} |",
    ]
    lines += ["|---|---:|---:|---:|---:|---:|---:|" + "---:|" * len(tasks)]
    alone = " | ".join(f"{score:.0f}" for score in what["single"].values())
    average = mean(what["single"].values()) if tasks else 0.0
    lines.append(f"| each task alone, LoRA | | 1 | {average:.1f} | | | | {alone} |")
    for contestant, row in what["contestants"].items():
        first = next(iter(cells_of(found)[contestant].values()))
        mark = " q" if row["error_of"] == "questions" else ""
        cells = [contestant, f"{first['trainable_parameters']:,}", str(row["seeds"])]
        cells += [
            f"{row['average']:.1f} ± {row['error']:.1f}{mark}",
            "" if row["difference"] is None else f"{row['difference']:+.1f} ± {row['difference_error']:.1f}",
            f"{row['imbalance']:.1f}",
            f"{row['lost']:.1f}",
        ]
        cells += [f"{row['scores'][task]:.0f} ({row['seesaw'][task]:+.0f})" for task in tasks]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
