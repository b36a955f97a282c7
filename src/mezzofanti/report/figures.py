"""The geometry of the forgetting curves: where each line, mark and label stands. The template draws them.

Units are those of the SVG's viewBox: WIDTH x HEIGHT, origin at the top left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mezzofanti.report.names import percent, task_name
from mezzofanti.report.precision import cell
from mezzofanti.report.reading import Reading

__all__ = ["Chart", "Line", "Mark", "Tick", "curves", "spread"]

WIDTH, HEIGHT = 340, 214
LEFT, RIGHT, TOP, BOTTOM = 30, 282, 14, 180
LABEL_GAP = 13.0
FULL_NAMES = 4
CROWDED = 8


@dataclass(frozen=True)
class Mark:
    """One measured point, with the ends of its error bar and the sentence a pointer or a screen reader gets."""

    x: float
    y: float
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Line:
    """One method's curve. `style` numbers the colour, dash and mark it is drawn with."""

    style: int
    marks: tuple[Mark, ...]
    label: str
    label_y: float

    @property
    def points(self) -> str:
        """The curve as an SVG polyline wants it."""
        return " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks)


@dataclass(frozen=True)
class Tick:
    """One place on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """One task's curves."""

    task: str
    learned_at: float
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    mark_size: float
    summary: str


def curves(readings: Sequence[Reading], names: Sequence[str]) -> list[Chart]:
    """One chart a task, one line a method, the x axis running over the moments of examination."""
    return [_chart(readings, names, task) for task in range(len(readings[0].tasks))]


def _chart(readings: Sequence[Reading], names: Sequence[str], task: int) -> Chart:
    tasks = readings[0].tasks
    lines = [_line(r, names[i], i, task, len(readings)) for i, r in enumerate(readings)]
    drawn = _spread_labels([line for line in lines if line.marks])
    return Chart(
        task=tasks[task],
        learned_at=_x(task + 1, len(tasks)),
        lines=tuple(drawn),
        x_ticks=tuple(
            Tick(_x(i, len(tasks)), _tick(tasks, i)) for i in range(0, len(tasks) + 1, _stride(tasks))
        ),
        mark_size=4.0 if len(tasks) < CROWDED else 2.4,
        y_ticks=tuple(Tick(_y(share / 100), str(share)) for share in (0, 50, 100)),
        summary="; ".join(f"{names[line.style]} ends at {line.label} %" for line in drawn),
    )


def _line(reading: Reading, name: str, style: int, task: int, count: int) -> Line:
    # Methods that agree would hide one another: each line stands a little aside.
    aside = (style - (count - 1) / 2) * (4.0 if len(reading.tasks) < CROWDED else 1.0)
    marks = []
    for after in range(len(reading.rows)):
        known = cell(reading, after, task)
        if known is None:
            continue
        when = "before any lesson" if after == 0 else f"after {task_name(reading.tasks[after - 1])}"
        low, high = max(known.value - known.error, 0.0), min(known.value + known.error, 1.0)
        text = f"{name}, {when}: {percent(known.value)} ± {known.error * 100:.0f}"
        x = _x(after, len(reading.tasks)) + aside
        marks.append(Mark(x, _y(known.value), _y(low), _y(high), text))
    last = marks[-1].y if marks else 0.0
    return Line(style, tuple(marks), _last_percent(reading, task), last)


def _last_percent(reading: Reading, task: int) -> str:
    scores = [row[task] for row in reading.rows if row[task] is not None]
    return f"{(scores[-1] or 0.0) * 100:.0f}" if scores else ""


def _spread_labels(lines: Sequence[Line]) -> list[Line]:
    places = spread([line.label_y for line in lines], LABEL_GAP, BOTTOM)
    return [replace(line, label_y=place) for line, place in zip(lines, places, strict=True)]


def spread(wanted: Sequence[float], gap: float, bottom: float) -> list[float]:
    """Places at least `gap` apart, as near as may be to those wanted and none below `bottom`.

    They are pushed down first, in order; what then stands below the bottom pushes the others up again.
    """
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    places = [wanted[i] for i in order]
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + gap)
    limit = bottom
    for i in reversed(range(len(places))):
        places[i] = min(places[i], limit)
        limit = places[i] - gap
    found = dict(zip(order, places, strict=True))
    return [found[i] for i in range(len(wanted))]


def _stride(tasks: Sequence[str]) -> int:
    return 1 + len(tasks) // CROWDED


def _tick(tasks: Sequence[str], index: int) -> str:
    if len(tasks) > FULL_NAMES:
        return str(index)
    return "before" if index == 0 else task_name(tasks[index - 1])


def _x(index: int, count: int) -> float:
    return LEFT + 16 + index * (RIGHT - LEFT - 32) / max(count, 1)


def _y(score: float) -> float:
    return BOTTOM - score * (BOTTOM - TOP)
