"""`mezzo demo`: everything, on a real open model, in minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mezzofanti.cli import app
from mezzofanti.cli.progress import Bars

__all__ = ["demo"]


@app.command()
def demo(
    output: Annotated[Path, typer.Option(help="The demo's folder.")] = Path("demo"),
    quick: Annotated[bool, typer.Option("--quick", help="One method beside Sequential.")] = False,
    base: Annotated[str, typer.Option(help="Another base: a folder or a hub id.")] = "smollm2-135m",
) -> None:
    """A real open model goes to school in three languages, one after another; a page shows what it kept."""
    from mezzofanti.errors import require

    require("train", "torch", "transformers", "peft", "accelerate", "safetensors", "matplotlib", "jinja2")
    from mezzofanti.demo import METHODS, QUICK, DemoPlan, last_lines, run

    console = Console(stderr=True)
    with Bars(console) as bars:
        folders = run(
            output,
            DemoPlan(methods=QUICK if quick else METHODS, base=base),
            say=lambda line: console.print(line, highlight=False, markup=False),
            progress=bars,
        )
    for line in last_lines(output, folders):
        typer.echo(line)
