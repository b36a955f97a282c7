"""`mezzo report`: what was kept, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mezzofanti.cli import app

__all__ = ["report"]


@app.command()
def report(
    learners: Annotated[
        list[Path], typer.Argument(help="Learners that learned the same tasks, or a folder of such.")
    ],
    output: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
) -> None:
    """Write one self-contained HTML page: matrix, forgetting curves, the same questions after every task."""
    from mezzofanti.continual.state import LearnerFolder
    from mezzofanti.report import verdict_lines, write_report

    found = [learner.path for path in learners for learner in LearnerFolder.those_in(path)]
    write_report(found, output)
    for line in verdict_lines(found):
        typer.echo(line)
    typer.echo(f"look at   {output}")
