"""The reference pages name every option and every key that there is, with its default, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from mezzofanti.cli import _load_commands, app
from mezzofanti.continual.methods import METHODS, create
from mezzofanti.continual.settings import AdapterSettings, TrainingSettings
from mezzofanti.recipe import AlmanacTask, FileTask, LearnerRecipe, LongSequenceTask, WikipediaLeadsTask

PAGES = Path(__file__).parents[1] / "docs" / "reference"
TASKS = {
    "almanac": AlmanacTask,
    "jsonl": FileTask,
    "long-sequence": LongSequenceTask,
    "wikipedia-leads": WikipediaLeadsTask,
}


def tables(page: str) -> dict[str, list[list[str]]]:
    """The rows of each section's tables, cell by cell; a section is called as its heading is, without backticks."""
    found: dict[str, list[list[str]]] = {}
    section = ""
    for line in (PAGES / page).read_text("utf-8").splitlines():
        if line.startswith("#"):
            section = line.lstrip("# ").replace("`", "")
        elif line.startswith("|") and not line.startswith("|--"):
            cells = line.removeprefix("|").removesuffix("|").split("|")
            found.setdefault(section, []).append([cell.strip() for cell in cells])
    return found


def named(cell: str) -> list[str]:
    return re.findall(r"`([\w-]+)", cell)


def commands(command: Any, path: tuple[str, ...] = ("mezzo",)) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    if not inner or path == ("mezzo",):
        yield " ".join(path) + " itself" * bool(inner), command
    for name, one in inner.items():
        yield from commands(one, (*path, name))


def options(command: click.Command) -> set[str]:
    return {name for option in command.params for name in option.opts if name.startswith("--")} - {"--help"}


def test_every_command_and_option_is_described() -> None:
    _load_commands()
    described = tables("cli.md")
    for name, command in commands(typer.main.get_command(app)):
        rows = described.get(name, [])
        assert {part for row in rows for part in named(row[0]) if part.startswith("--")} == options(
            command
        ), name


@pytest.mark.parametrize(
    ("section", "kind"),
    [
        ("Top level", LearnerRecipe),
        ("adapter", AdapterSettings),
        ("training", TrainingSettings),
        *TASKS.items(),
    ],
)
def test_every_key_of_a_recipe_is_described_with_its_default(section: str, kind: Any) -> None:
    told = {
        key: row[1].split(", ")[place] if "`, `" in row[0] else row[1]
        for row in tables("recipe.md")[section]
        for place, key in enumerate(named(row[0]))
    }
    assert told.keys() == kind.model_fields.keys() - {"source"}
    for key, words in told.items():
        field = kind.model_fields[key]
        if isinstance(field.default, bool):
            assert words == str(field.default).lower(), key
        elif isinstance(field.default, int | float):
            assert float(words.split(";")[0]) == field.default, key
        elif field.is_required():
            assert words == "required", key


def test_every_setting_of_a_method_is_described() -> None:
    kind, found = "", dict[str, set[str]]()
    for row in tables("recipe.md")["method"]:
        kind = (named(row[0]) or [kind])[0]
        found.setdefault(kind, set()).update(named(row[1]))
    for name in METHODS:
        assert found[name] == create({"type": name}).settings.keys() - {"type"}, name


def test_the_defaults_of_malora_are_told() -> None:
    rows = {named(row[0])[0]: row[1] for row in tables("recipe.md")["adapter"] if named(row[0])}
    malora = AdapterSettings.model_validate({"type": "malora"})
    assert rows["r"] == f"{AdapterSettings().r}; {malora.r} with a mixture"
    assert rows["lora_alpha"] == f"{AdapterSettings().lora_alpha}; {malora.lora_alpha} with a mixture"
