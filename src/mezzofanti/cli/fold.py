"""`mezzo fold`: a mixture of experts as plain LoRA folders, one a language."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from mezzofanti.cli import app
from mezzofanti.cli.progress import Bars

if TYPE_CHECKING:
    from mezzofanti.adapters.folding.choice import How
    from mezzofanti.continual.serving.rows import By

__all__ = ["fold"]


@app.command()
def fold(
    source: Annotated[
        Path, typer.Argument(help="A MALoRA or MoLoRA learner's folder, or the folder of such an adapter.")
    ],
    by: Annotated[str, typer.Option(help="One fold a language, skill or (of a learner) task.")] = "language",
    rows: Annotated[
        Path | None,
        typer.Option(help="Rows (JSONL or Parquet) to calibrate on; the learner's memory by default."),
    ] = None,
    only: Annotated[str, typer.Option(help="Some of them, with commas: fr,es.")] = "",
    how: Annotated[
        str, typer.Option(help="regression, mean (gates) or kl: what takes the place of routing.")
    ] = "regression",
    rank: Annotated[int | None, typer.Option(help="Cut to this rank by a truncated SVD.")] = None,
    no_exam: Annotated[
        bool, typer.Option("--no-exam", help="Do not answer the learner's questions, routed and folded.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "--out", help="Where the folders go; folds/NAME by default.")
    ] = None,
) -> None:
    """Make a routed adapter plain LoRA folders that PEFT and vLLM load without Mezzofanti; say what was lost."""
    from mezzofanti.errors import require

    require("train", "torch", "transformers", "peft", "accelerate", "safetensors")
    from mezzofanti.continual.serving import fold_by

    with Bars(Console(stderr=True)) as bars:
        report = fold_by(
            source,
            output or Path("folds") / source.resolve().name,
            by=cast("By", by),
            rows=rows,
            only=[name.strip() for name in only.split(",") if name.strip()],
            how=cast("How", how),
            rank=rank,
            exam=not no_exam,
            progress=bars,
        )
    for line in report.lines():
        typer.echo(line)
