"""`mezzo curvature`: the mean curvature measure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mezzofanti.cli import app

__all__ = ["solve"]

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
) -> None:
    """Find the film whose mean curvature is a given measure: figures as JSON, nodes as Parquet, a picture."""
    from mezzofanti.errors import require

    require("curvature", "scipy", "pyamg", "matplotlib")
    from mezzofanti.curvature.problem import solve_problem

    folder = output or Path("curvature") / recipe.stem
    solve_problem(recipe, folder)
    typer.echo(f"The film of {recipe} is in {folder}: {', '.join(sorted(p.name for p in folder.iterdir()))}")
