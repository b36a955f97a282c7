"""Bars on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from mezzofanti.cli import progress
from mezzofanti.cli.progress import Bars


def test_where_there_is_no_terminal_a_line_is_said_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    out = StringIO()
    with Bars(Console(file=out)) as bars:
        for done in range(1, 81):
            clock[0] += 1
            bars("learning", done, 80)
        bars("exam", 60, 60)
    assert out.getvalue().splitlines() == [
        "learning: 31 of 80",
        "learning: 62 of 80",
        "learning: 80 of 80",
        "exam: 60 of 60",
    ]


def test_on_a_terminal_each_kind_of_work_has_its_bar_and_begins_anew_when_done() -> None:
    with Bars(Console(file=StringIO(), force_terminal=True)) as bars:
        assert not bars.progress.live.is_started, "what is fetched first shows bars of its own"
        for done in (1, 2, 3):
            bars("learning", done, 3)
        bars("exam", 1, 2)
        bars("learning", 1, 3)
    tasks = bars.progress.tasks
    assert [(task.description, task.completed, task.total) for task in tasks] == [
        ("learning", 3, 3),
        ("exam", 1, 2),
        ("learning", 1, 3),
    ]
    assert not bars.progress.live.is_started
