"""`mezzo`: one file a command group, and no logic below argument parsing.

A mistake of the user's is one line on stderr, with its cure, and exit code 2.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mezzofanti.errors import MezzofantiError

__all__ = ["main"]

INTERRUPTED = 130
"""What typer makes of Ctrl-C."""

QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
}

app = typer.Typer(
    name="mezzo",
    help="Keep teaching an open language model, task after task, and measure what was kept.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        import mezzofanti

        typer.echo(f"mezzofanti {mezzofanti.__version__}")
        raise typer.Exit


@app.callback()
def options(
    cache: Annotated[
        Path | None,
        typer.Option(
            envvar="MEZZOFANTI_CACHE", help="Where bases are kept; ~/.cache/mezzofanti/bases by default."
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Keep teaching an open language model, task after task, and measure what was kept."""
    if cache is not None:
        from mezzofanti.bases import use_cache

        use_cache(cache)


def main() -> None:
    """Run the command line."""
    _quiet_libraries()
    _load_commands()
    logging.basicConfig(format="note: %(message)s", level=logging.ERROR)
    logging.getLogger("mezzofanti").setLevel(logging.INFO)
    try:
        app()
    except MezzofantiError as error:
        Console(stderr=True).print(
            f"error: {error}", style="bold red", markup=False, highlight=False, soft_wrap=True
        )
        sys.exit(2)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:
            Console(stderr=True).print("stopped; the same command goes on where it was", style="yellow")
        raise


def _quiet_libraries() -> None:
    # their bars and notices would cut through ours; a user who wants them sets the variable
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore", FutureWarning)


def _load_commands() -> None:
    # each module adds its commands to `app` when it is imported
    from mezzofanti.cli import base, corpus, curvature, demo, fold, learn, report  # noqa: F401
