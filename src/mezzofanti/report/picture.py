"""The README's first picture: one question asked after every task, and what became of its exam."""

from __future__ import annotations

import textwrap
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mezzofanti.errors import DataError, require
from mezzofanti.report.asked import Asked, ask
from mezzofanti.report.figures import spread
from mezzofanti.report.names import labels, moments, percent, task_name, task_noun
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
DOTS = 200
LEFT, RIGHT, HEAD, FOOT = 1.5, 0.15, 1.3, 0.5
ROW, CURVE, NARROWEST, WIDEST_COLUMN = 0.62, 2.2, 9.0, 1.4
LETTERS_AN_INCH, MOST_LINES = 13.2, 2


@dataclass(frozen=True)
class _Sheet:
    """The picture's measures in inches from its top left corner."""

    columns: int
    rows: int

    @property
    def width(self) -> float:
        return max(NARROWEST, LEFT + RIGHT + WIDEST_COLUMN * self.columns)

    @property
    def height(self) -> float:
        return HEAD + ROW * self.rows + CURVE + FOOT

    @property
    def column(self) -> float:
        return (self.width - LEFT - RIGHT) / self.columns

    def x(self, column: float) -> float:
        """The middle of a column."""
        return LEFT + (column + 0.5) * self.column

    def y(self, row: float) -> float:
        """The middle of a row of answers."""
        return HEAD + (row + 0.5) * ROW


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
            "The learners share no question whose answers were kept.",
            cure="Keep tasks/*/answers.jsonl beside matrix.json.",
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

    sheet = _Sheet(columns=len(readings[0].tasks) + 1, rows=len(readings))
    figure = Figure(figsize=(sheet.width, sheet.height))
    answers = figure.add_axes((0, 0, 1, 1))
    inner = (sheet.width - LEFT - RIGHT) / sheet.width
    curve = figure.add_axes((LEFT / sheet.width, FOOT / sheet.height, inner, (CURVE - 0.25) / sheet.height))
    answers.set(xlim=(0, sheet.width), ylim=(sheet.height, 0))
    curve.set(xlim=(LEFT, sheet.width - RIGHT), ylim=(-0.06, 1.08), facecolor=PAPER)
    answers.set_axis_off()
    curve.set_frame_on(False)
    _draw_answers(answers, sheet, readings, asked)
    _draw_curve(curve, sheet, readings, asked)
    return figure


def _draw_answers(axes: Axes, sheet: _Sheet, readings: Sequence[Reading], asked: Asked) -> None:
    _write(axes, 0.15, 0.45, f"“{asked.prompt}”", size=16, style="italic")
    again = f"One question, asked before any lesson and again after each {task_noun(readings[0].tasks)}."
    _write(axes, 0.15, 0.72, again, color=QUIET)
    for column, moment in enumerate(moments(readings[0].tasks)):
        text = moment if column else "before any lesson"
        _write(axes, sheet.x(column), HEAD - 0.13, text, ha="center", color=QUIET)
    for row, name in enumerate(labels(readings)):
        axes.plot((0.15, sheet.width - RIGHT), (HEAD + row * ROW,) * 2, color=RULE, lw=0.8)
        axes.plot(0.25, sheet.y(row), MARKERS[row % 8], color=COLOURS[row % 8])
        _write(axes, 0.42, sheet.y(row), _wrap(name, 1.2), va="center")
        for column, said in enumerate(asked.answers):
            _write_answer(axes, sheet, sheet.x(column), sheet.y(row), said[row])


def _write_answer(axes: Axes, sheet: _Sheet, x: float, y: float, answer: Answer | None) -> None:
    if answer is None:
        _write(axes, x, y, "–", ha="center", va="center", color=QUIET)
        return
    right = answer.score >= 0.999
    text = _wrap(f"{'✓' if right else '✗'} {answer.answer.strip() or '(nothing)'}", sheet.column)
    _write(axes, x, y, text, ha="center", va="center", color=INK if right else QUIET, size=9)


def _draw_curve(axes: Axes, sheet: _Sheet, readings: Sequence[Reading], asked: Asked) -> None:
    task = readings[0].tasks.index(asked.task)
    axes.set_yticks([0, 0.5, 1], ["0", "50", "100"], color=QUIET, fontsize=9.5)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.grid(axis="y", color=RULE, lw=0.8)
    for number, reading in enumerate(readings):
        aside = (number - (len(readings) - 1) / 2) * 0.07
        known = [(sheet.x(i) + aside, cell(reading, i, task)) for i in range(len(reading.rows))]
        points = [(x, k) for x, k in known if k is not None]
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
    _write_ends(axes, sheet, readings, task)
    count = readings[0].questions[task]
    below = f"{task_name(asked.task)} exam: per cent right of {count} questions, with one standard error"
    axes.set_xlabel(below, color=QUIET, fontsize=9.5, labelpad=7, parse_math=False)


def _write_ends(axes: Axes, sheet: _Sheet, readings: Sequence[Reading], task: int) -> None:
    """The last score of each method beside its last point, pushed apart where they would cover one another."""
    ends = [(r.done, cell(r, r.done, task), COLOURS[number % 8]) for number, r in enumerate(readings)]
    shown = [(done, end.value, colour) for done, end, colour in ends if end is not None]
    places = spread([-value for _, value, _ in shown], 0.1, 0.0)
    for (done, value, colour), place in zip(shown, places, strict=True):
        _write(
            axes,
            sheet.x(done) + 0.13 + 0.035 * len(readings),
            -place,
            percent(value),
            va="center",
            color=colour,
            size=9.5,
        )


def _wrap(text: str, inches: float) -> str:
    """Break a text into the few lines that `inches` of width hold; a letter of Chinese is two wide."""
    wide = any(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    letters = int(inches * LETTERS_AN_INCH / (2 if wide else 1))
    lines = textwrap.wrap(text, letters) or [""]
    return "\n".join(lines[:MOST_LINES]) + ("…" if len(lines) > MOST_LINES else "")


def _write(axes: Axes, x: float, y: float, text: str, **style: Any) -> None:
    # parse_math off: a model may answer with dollar signs.
    chosen = {"color": INK, "fontsize": style.pop("size", 10), "parse_math": False} | style
    axes.text(x, y, text, fontfamily=["DejaVu Sans", "Noto Sans CJK SC", "sans-serif"], **chosen)
