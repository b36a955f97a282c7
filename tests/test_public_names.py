"""The public names of each room. Adding one is a line here and in CHANGELOG.md; changing one is a decision."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

PUBLIC = {
    "mezzofanti": (
        "AccuracyMatrix Joint Learner MaloraConfig Memory Message MezzofantiError OfflineTeacher OpenAITeacher"
        " Passage Question RecurrentKIF Replay Sample Sequential Task TaskStream __version__ build"
    ),
    "mezzofanti.errors": (
        "BaseUnavailableError ConfigurationError DataError MezzofantiError MissingExtraError"
        " SandboxUnavailableError SolverError StateError TeacherError nearest require"
    ),
    "mezzofanti.records": "Lineage Message Passage Record SCHEMA Sample read_samples write_samples",
    "mezzofanti.bases": "",
    "mezzofanti.corpus": "",
    "mezzofanti.adapters": "",
    "mezzofanti.continual": "",
    "mezzofanti.continual.methods": "",
    "mezzofanti.curvature": "",
    "mezzofanti.evaluation": "",
    "mezzofanti.report": "",
    "mezzofanti.recipe": "",
    "mezzofanti.cli": "",
}
ROOMS = sorted(PUBLIC)


@pytest.mark.parametrize("room", ROOMS)
def test_the_names_are_these(room: str) -> None:
    module = importlib.import_module(room)
    assert sorted(module.__all__) == sorted(PUBLIC[room].split())


@pytest.mark.parametrize("room", ROOMS)
def test_each_name_is_there(room: str) -> None:
    module = importlib.import_module(room)
    for name in module.__all__:
        assert getattr(module, name) is not None, name


@pytest.mark.parametrize("room", ROOMS)
def test_an_unknown_name_is_an_ordinary_error(room: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = importlib.import_module(room).no_such_name


def test_every_public_function_and_class_is_described() -> None:
    silent = [
        f"{room}.{name}"
        for room in ROOMS
        for name in importlib.import_module(room).__all__
        if callable(thing := getattr(importlib.import_module(room), name))
        and not (getattr(thing, "__doc__", "") or "").strip()
    ]
    assert silent == []


def test_every_room_is_listed(repository: Path) -> None:
    folder = repository / "src" / "mezzofanti"
    rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert {f"mezzofanti.{room}" for room in rooms} <= set(PUBLIC)
