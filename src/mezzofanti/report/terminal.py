"""The verdict and the accuracy matrix for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from mezzofanti.report.names import adapter_name, method_name, moments, signed_points, task_name
from mezzofanti.report.precision import Estimate, backward_transfer, cell, overall_performance
from mezzofanti.report.reading import Reading, read_learner, read_learners
from mezzofanti.report.tables import left_out
from mezzofanti.report.verdict import verdict

__all__ = ["left_out_lines", "matrix_table", "verdict_lines"]


def verdict_lines(folders: Sequence[Path]) -> list[str]:
    """The comparison in three lines or a few more: what was kept, the averages, Recurrent-KIF against Replay.

    Raises:
        ConfigurationError: no folder is given, or the folders' tasks differ.
        DataError: a folder is not a learner's, or a file in it is broken.
    """
    said = verdict(read_learners(folders))
    return [line.replace("\u00a0", " ") for line in (said.numbers, *said.comparisons, said.beyond) if line]


def left_out_lines(folder: Path) -> list[str]:
    """What a learner was not taught because it was too long, in a line each; empty where nothing was left out."""
    return left_out(read_learner(Path(folder)))


def matrix_table(folder: Path) -> Table:
    """One learner's accuracy matrix in per cent; a dot marks each task right after its own lessons.

    Raises:
        DataError: the folder is not a learner's, or a file in it is broken.
    """
    reading = read_learner(Path(folder))
    name = f"{method_name(reading.method)}, {adapter_name(reading.adapter) or 'adapter'}, seed {reading.seed}"
    # Text, not markup: a task may be named "[red]".
    table = Table(title=Text(f"{name}: % right"), caption=Text(_caption(reading)))
    table.add_column("")
    for task in reading.tasks:
        table.add_column(Text(task_name(task)), justify="right")
    for after, moment in enumerate(moments(reading.tasks)[: len(reading.rows)]):
        table.add_row(Text(moment), *(_cell(reading, after, task) for task in range(len(reading.tasks))))
    return table


def _cell(reading: Reading, after: int, task: int) -> Text:
    known = cell(reading, after, task)
    if known is None:
        return Text("–")
    own = after == task + 1
    return Text(f"{'• ' if own else ''}{known.value * 100:.0f}", style="bold" if own else "")


def _caption(reading: Reading) -> str:
    overall, backward = overall_performance(reading), backward_transfer(reading)
    if overall is None:
        return f"{reading.done} of {len(reading.tasks)} tasks done"
    kept = f", BWT {_signed(backward)}" if backward is not None else ""
    return f"{method_name(reading.method)}: OP {overall.value * 100:.0f} ± {overall.error * 100:.0f}{kept}"


def _signed(estimate: Estimate) -> str:
    return f"{signed_points(estimate.value)} ± {estimate.error * 100:.0f}"
