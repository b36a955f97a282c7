"""The README's first picture: one question asked after every task, and what became of its exam."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mezzofanti.errors import DataError, require
from mezzofanti.report.asked import Asked, ask
from mezzofanti.report.names import labels, moments, task_name
from mezzofanti.report.precision import cell
from mezzofanti.report.reading import Answer, Reading, read_learners

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["school_picture"]

COLOURS = ("#c2501a", "#0b6aa8", "#0b8265", "#a4487f", "#8a6400", "#3f7fb0", "#55524c", "#7a3fb0")
MARKERS = ("o", "s", "^", "D", "v", "d", "P", "X")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 2)), (0, (6, 2, 1.5, 2)))
PAPER, INK, QUIET, RULE = "#fbfaf6", "#1e1d1a", "#65615a", "#dfdace"
INCHES_WIDE, DOTS = 9.0, 200
ROW_INCHES, CURVE_INCHES = 0.62, 2.3
LONGEST_LINE, MOST_LINES = 21, 2


def school_picture(folders: Sequence[Path], path: Path) -> None:
    """Draw the picture to `path` (.png or .svg): each method's answers on top, the accuracy curve under them.

    The question is "Write 314 in words" where it was asked, else the first that all learners share. Columns of
    answers and points of the curve stand on the same moments. Legible from 900 pixels of width.

    Raises:
        ConfigurationError: no folder is given, or the folders' tasks differ.
        DataError: a folder is broken, or the learners share no question whose answers were kept.
        MissingExtraError: matplotlib is not installed.
    """
    require("train", "matplotlib")
    readings = read_learners(folders)
    asked = next(iter(ask(readings, count=1)), None)
    if asked is None:
        raise DataError(
            "The learners share no question whose answers were kept.", cure="Keep tasks/*/answers.jsonl beside matrix.json."
        )
    _save(_draw(readings, asked), path)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.tmp{path.suffix}")
    # A fixed date and salt: the same numbers draw the same bytes.
    dated = {"Date": None} if path.suffix == ".svg" else {}
    import matplotlib

    with warnings.catch_warnings(), matplotlib.rc_context({"svg.hashsalt": "mezzofanti"}):
        # A model may answer in any script; a letter no font here has is drawn as a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(temporary, dpi=DOTS, facecolor=PAPER, metadata=dated)
    temporary.replace(path)


def _draw(readings: Sequence[Reading], asked: Asked) -> Figure:
    from matplotlib.figure import Figure

    names = labels(readings)
    columns = len(readings[0].tasks) + 1
    top = 1.05 + ROW_INCHES * len(readings)
    height = top + CURVE_INCHES + 0.55
    figure = Figure(figsize=(INCHES_WIDE, height))
    left = 1.5 / INCHES_WIDE
    answers = figure.add_axes((left, 1 - top / height, 0.985 - left, top / height))
    curve = figure.add_axes((left, 0.5 / height, 0.985 - left, CURVE_INCHES / height))
    for axes in (answers, curve):
        axes.set_xlim(-0.5, columns - 0.5)
        axes.set_facecolor(PAPER)
        for spine in axes.spines.values():
            spine.set_visible(False)
    _draw_answers(answers, readings, asked, names)
    _draw_curve(curve, readings, asked)
    return figure


def _draw_answers(axes: Axes, readings: Sequence[Reading], asked: Asked, names: Sequence[str]) -> None:
    rows = len(names)
    axes.set_ylim(rows * ROW_INCHES, -1.05)
    axes.set_axis_off()
    _write(axes, -0.5 - 1.4 * _columns_an_inch(axes), -0.72, f"“{asked.prompt}”", size=16, style="italic")
    for column, moment in enumerate(moments(readings[0].tasks)):
        _write(axes, column, -0.18, "before any lesson" if column == 0 else moment, ha="center", color=QUIET)
    for row, name in enumerate(names):
        y = (row + 0.5) * ROW_INCHES
        axes.axhline(row * ROW_INCHES, color=RULE, lw=0.8, clip_on=False)
        axes.plot(-0.5 - 1.3 * _columns_an_inch(axes), y, MARKERS[row % 8], color=COLOURS[row % 8], clip_on=False)
        _write(axes, -0.5 - 1.15 * _columns_an_inch(axes), y, _wrap(name, 15), va="center")
        for column, said in enumerate(asked.answers):
            _write_answer(axes, column, y, said[row])


def _columns_an_inch(axes: Axes) -> float:
    low, high = axes.get_xlim()
    return (high - low) / ((0.985 - 1.5 / INCHES_WIDE) * INCHES_WIDE)


def _write_answer(axes: Axes, x: float, y: float, answer: Answer | None) -> None:
    if answer is None:
        _write(axes, x, y, "–", ha="center", va="center", color=QUIET)
        return
    right = answer.score >= 0.999
    text = _wrap(answer.answer.strip() or "(nothing)")
    mark = "✓" if right else "✗"
    _write(axes, x, y, f"{mark} {text}", ha="center", va="center", color=INK if right else QUIET, size=9)


def _draw_curve(axes: Axes, readings: Sequence[Reading], asked: Asked) -> None:
    task = readings[0].tasks.index(asked.task)
    axes.set_ylim(-0.06, 1.08)
    axes.set_yticks([0, 0.5, 1], ["0", "50", "100"], color=QUIET, fontsize=9.5)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.grid(axis="y", color=RULE, lw=0.8)
    for number, reading in enumerate(readings):
        known = [(i, cell(reading, i, task)) for i in range(len(reading.rows))]
        points = [(i + (number - (len(readings) - 1) / 2) * 0.035, k) for i, k in known if k is not None]
        axes.errorbar(
            [x for x, _ in points],
            [k.value for _, k in points],
            [k.error for _, k in points],
            color=COLOURS[number % 8],
            marker=MARKERS[number % 8],
            linestyle=DASHES[number % 4],
            lw=1.8,
            elinewidth=0.8,
            markersize=6,
            clip_on=False,
        )
    count = readings[0].questions[task]
    below = f"{task_name(asked.task)} exam, per cent right of {count} questions, with one standard error"
    axes.set_xlabel(below, color=QUIET, fontsize=9.5, labelpad=9)


def _wrap(text: str, width: int = LONGEST_LINE) -> str:
    import textwrap

    lines = textwrap.wrap(text, width) or [""]
    return "\n".join(lines[:MOST_LINES]) + ("…" if len(lines) > MOST_LINES else "")


def _write(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    # parse_math off: a model may answer with dollar signs.
    chosen = {"color": INK, "fontsize": style.pop("size", 10), "parse_math": False, "clip_on": False} | style
    axes.text(x, y, text, fontfamily=["DejaVu Sans", "Noto Sans CJK SC", "sans-serif"], **chosen)
