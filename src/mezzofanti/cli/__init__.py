"""`mezzo`: one file a command group, and no logic below argument parsing.

A mistake of the user's is one line on stderr, with its cure, and exit code 2.
"""

from __future__ import annotations

import logging
import sys

import typer
from rich.console import Console

from mezzofanti.errors import MezzofantiError

__all__ = ["main"]

app = typer.Typer(
    name="mezzo",
    help="Keep teaching an open language model, task after task, and measure what was kept.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    add_completion=False,
)


def main() -> None:
    """Run the command line."""
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
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped; the same command goes on where it was", style="yellow")
        sys.exit(130)


def _load_commands() -> None:
    # each module adds its commands to `app` when it is imported
    from mezzofanti.cli import base, corpus, curvature, demo, learn, report  # noqa: F401
