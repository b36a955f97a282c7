"""`mezzo corpus`: build data to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mezzofanti.cli import app
from mezzofanti.cli.progress import Bars

__all__ = ["build"]

corpus = typer.Typer(
    help="Multilingual data to learn from: passages to dialogues to samples.", no_args_is_help=True
)
app.add_typer(corpus, name="corpus")


@corpus.command()
def build(
    recipe: Annotated[
        Path, typer.Argument(help="A corpus recipe (YAML), such as recipes/corpus/almanac.yaml.")
    ],
    output: Annotated[Path | None, typer.Option(help="The build's folder; corpora/NAME by default.")] = None,
) -> None:
    """Build a corpus, or go on with one: samples in Parquet, a card, and what was rejected and why."""
    from mezzofanti.corpus import Recipe
    from mezzofanti.corpus import build as build_corpus

    settings = Recipe.load(recipe)
    folder = output or Path("corpora") / settings.name
    with Bars(Console(stderr=True)) as bars:
        report = build_corpus(settings, folder, progress=lambda done, total, what: bars(what, done, total))
    for line in report.lines():
        typer.echo(line)
