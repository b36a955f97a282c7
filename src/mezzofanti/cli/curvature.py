"""`mezzo curvature`: the mean curvature measure."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mezzofanti.cli import app

if TYPE_CHECKING:
    from mezzofanti.curvature.newton import Step

__all__ = ["solve"]

QUIET_SECONDS = 2.0  # A film found sooner needs no word on the way.

curvature = typer.Typer(
    help="The mean curvature measure: a numerical library of its own.", no_args_is_help=True
)
app.add_typer(curvature, name="curvature")


@curvature.command()
def solve(
    recipe: Annotated[
        Path, typer.Argument(help="A problem (YAML), such as recipes/curvature/film-on-a-wire.yaml.")
    ],
    output: Annotated[
        Path | None, typer.Option(help="Where the solution goes; curvature/NAME by default.")
    ] = None,
    formats: Annotated[
        list[str],
        typer.Option("--format", help="For ParaView and other programs: vtu, xdmf. May be given twice."),
    ] = ["vtu"],  # noqa: B006
) -> None:
    """Find the film whose mean curvature is a given measure: a page, figures as JSON, files for other programs."""
    from mezzofanti.errors import require

    require("curvature", "scipy", "pyamg", "matplotlib", "meshio")
    from mezzofanti.curvature.problem import solve_problem
    from mezzofanti.curvature.results import notes

    folder = output or Path("curvature") / recipe.stem
    film = solve_problem(recipe, folder, formats=formats, on_step=_Progress())
    typer.echo(
        f"The film of {recipe}: {film.outcome}, lowest {film.u.min():.4g}, highest {film.u.max():.4g}."
    )
    for note in notes(film):
        typer.echo(f"Note: {note}")
    typer.echo(f"It is in {folder}: {', '.join(sorted(p.name for p in folder.iterdir()))}")


class _Progress:
    """Says on stderr, a line every two seconds, on which mesh Newton is and what is left."""

    def __init__(self) -> None:
        self.said = time.monotonic()
        self.step, self.nodes = 0, 0

    def __call__(self, step: Step) -> None:
        self.step = self.step + 1 if step.nodes == self.nodes else 1
        self.nodes = step.nodes
        if time.monotonic() - self.said > QUIET_SECONDS:
            self.said = time.monotonic()
            typer.echo(f"{step.nodes:,} nodes, step {self.step}: residual {step.residual:.1e}", err=True)
