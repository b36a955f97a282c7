"""`mezzo learn`, `status`, `evaluate`: a learner and its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from mezzofanti.cli import app
from mezzofanti.cli.progress import Bars

if TYPE_CHECKING:
    from mezzofanti.continual import AccuracyMatrix

__all__ = ["evaluate", "learn", "status"]

TRAINING = ("torch", "transformers", "peft", "accelerate", "safetensors")
LearnerArgument = Annotated[Path, typer.Argument(help="A learner's folder.")]


@app.command()
def learn(
    source: Annotated[
        Path, typer.Argument(help="A recipe (YAML), or your own rows (JSONL or Parquet with `messages`).")
    ],
    learner: Annotated[
        Path | None,
        typer.Option(
            help="The learner's folder; learners/NAME by default. Rows of your own need one that is there."
        ),
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(
            help="For your own rows: exact (the default), label, number or chrf says what is right."
        ),
    ] = None,
) -> None:
    """Teach a learner the tasks of a recipe, or one more task from your own rows. Killed, it goes on where it was."""
    from mezzofanti.errors import ConfigurationError, require
    from mezzofanti.report.terminal import left_out_lines, matrix_table

    require("train", *TRAINING)
    folder = learner or Path("learners") / source.stem
    if source.suffix not in (".yaml", ".yml"):
        matrix = _teach_rows(source, folder, scorer or "exact", begin=learner is None)
    elif scorer is None:
        matrix = _teach_recipe(source, folder)
    else:
        raise ConfigurationError(
            f"--scorer is for rows of your own; {source} is a recipe.", cure="Write 'scorer:' into its task."
        )
    Console().print(matrix_table(folder))
    typer.echo(f"learned   {', '.join(matrix.tasks[: matrix.learned])}")
    for line in left_out_lines(folder):
        typer.echo(f"left out  {line}")
    typer.echo(f"look at   {folder}  (mezzo report {folder})")
    typer.echo(f"next      mezzo learn YOUR.jsonl --learner {folder}")


def _teach_recipe(recipe: Path, folder: Path) -> AccuracyMatrix:
    from mezzofanti.schooling import teach_recipe

    with Bars(Console(stderr=True)) as bars:
        return teach_recipe(recipe, folder, bars)


def _teach_rows(rows: Path, folder: Path, scorer: str, *, begin: bool) -> AccuracyMatrix:
    from mezzofanti.schooling import teach_file

    console = Console(stderr=True)

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    with Bars(console) as bars:
        return teach_file(rows, folder, bars, scorer=scorer, begin=begin, say=say)


@app.command()
def status(learner: LearnerArgument) -> None:
    """What a learner has learned, and what it is at. Needs no torch."""
    from mezzofanti.continual.state import LearnerFolder
    from mezzofanti.report.terminal import matrix_table

    folder = LearnerFolder(learner)
    settings = folder.settings()
    if (learner / "matrix.json").is_file():
        Console().print(matrix_table(learner))
    typer.echo(f"base      {settings['base']['origin']}")
    typer.echo(f"method    {settings['method']['type']} with {settings['adapter']['type']}")
    typer.echo(f"learned   {', '.join(folder.learned()) or 'nothing yet'}")
    running = folder.running()
    if running:
        typer.echo(f"running   {running}")


@app.command()
def evaluate(learner: LearnerArgument) -> None:
    """Examine every adapter a learner has saved once more, with the questions it was learned with."""
    from mezzofanti.continual.state import LearnerFolder
    from mezzofanti.errors import StateError, require
    from mezzofanti.report.terminal import matrix_table

    require("train", *TRAINING)
    LearnerFolder(learner).settings()
    if not LearnerFolder(learner).learned():
        raise StateError(
            f"The learner in {learner} has learned nothing yet.", cure="Teach it with: mezzo learn RECIPE"
        )
    from mezzofanti.continual import Learner

    with Bars(Console(stderr=True)) as bars:
        opened = Learner.open(learner, progress=bars)
        opened.evaluate(opened.stream_learned())
    Console().print(matrix_table(learner))
