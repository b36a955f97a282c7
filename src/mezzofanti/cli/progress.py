"""Bars with an estimate of what is left on a terminal; a plain line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["Bars"]

QUIET_SECONDS = 30.0


class Bars:
    """One bar for each `what`; use as a context. Calling it says that `done` of `total` are done."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = console.is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self.progress = Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=console)
        self.bars: dict[str, int] = {}
        self.said = time.monotonic()

    def __enter__(self) -> Bars:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.progress.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Advance the bar of `what`."""
        if not self.live:
            self._say(what, done, total)
            return
        # not before there is a bar: until then the terminal is the hub's, whose own bars show a download
        self.progress.start()
        if what not in self.bars or self.progress.tasks[self.bars[what]].finished:
            self.bars[what] = self.progress.add_task(what, total=total)
        self.progress.update(self.bars[what], completed=done)  # type: ignore[arg-type]

    def _say(self, what: str, done: int, total: int) -> None:
        if done >= total or time.monotonic() - self.said > QUIET_SECONDS:
            self.said = time.monotonic()
            self.console.print(f"{what}: {done} of {total}", highlight=False)
