"""The result as a table."""

from __future__ import annotations

from typing import Any

from mezzofanti.evaluation.statistics import Mean, mean_over_seeds


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table: mean over seeds and its standard error, in percent."""
    lines = [
        "| method / adapter | seeds | OP | BWT | samples | optimizer steps | learning rate |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell, seeds in result.get("methods", {}).items():
        runs = list(seeds.values())
        op = mean_over_seeds([100 * run["op"] for run in runs])
        bwt = mean_over_seeds([100 * run["bwt"] for run in runs])
        lines.append(
            f"| {cell} | {len(runs)} | {_pm(op)} | {_pm(bwt)} | {runs[0]['samples']} | "
            f"{runs[0]['optimizer_steps']} | {runs[0]['learning_rate']:g} |"
        )
    return "\n".join(lines)


def _pm(mean: Mean) -> str:
    return f"{mean.mean:.1f}" + (f" ± {mean.error:.1f}" if mean.error is not None else "")
