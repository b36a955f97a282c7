"""The public names of each room. Adding one is a line here and in CHANGELOG.md; changing one is a decision."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

PUBLIC = {
    "mezzofanti": (
        "AccuracyMatrix Joint Learner MaloraConfig Memory Message MezzofantiError MoloraConfig OfflineTeacher"
        " OpenAITeacher Passage Question RecurrentKIF Replay Sample Sequential Task TaskStream __version__ build"
    ),
    "mezzofanti.errors": (
        "BaseUnavailableError ConfigurationError DataError MezzofantiError MissingExtraError"
        " SandboxUnavailableError SolverError StateError TeacherError nearest require"
    ),
    "mezzofanti.records": "Lineage Message Passage Record SCHEMA Sample read_samples write_samples",
    "mezzofanti.settings": "known_keys read_yaml validated",
    "mezzofanti.bases": "BASES Base NamedBase bring default_cache resolve use_cache",
    "mezzofanti.corpus": (
        "BuildReport Guard OfflineTeacher OpenAITeacher Recipe Reject Reply Request Teacher build select"
    ),
    "mezzofanti.adapters": (
        "Folded MaloraConfig MaloraModel MoloraConfig MoloraModel RoutingTelemetry ScaleRouting fold"
        " learning_rate_groups measure_routing"
    ),
    "mezzofanti.adapters.folding": "Folded fold",
    "mezzofanti.continual": (
        "AccuracyMatrix AdapterSettings Learner LearnerFolder Memory Task TaskStream TrainingSettings"
    ),
    "mezzofanti.continual.methods": "Joint METHODS Method RecurrentKIF Replay Sequential create",
    "mezzofanti.continual.serving": "FoldReport Source fold_by open_source",
    "mezzofanti.curvature": (
        "AdaptiveFilm CriticalLoad Detachment Film InadmissibleLoad Measure Mesh NodalMeasure"
        " QuadraticFilm critical_load density draw_film error_indicator exact fit_mesh flat_distance"
        " harnack_quotient is_subharmonic mean_curvature_measure on_curve on_surface perron_lift"
        " perron_sequence perron_solution point_mass refined_at solve_adaptively solve_dirichlet"
        " solve_problem"
    ),
    "mezzofanti.evaluation": "",
    "mezzofanti.report": "matrix_table school_picture verdict_lines write_report",
    "mezzofanti.recipe": "LearnerRecipe",
    "mezzofanti.cli": "main",
}
ROOMS = sorted(PUBLIC)


def public(module: ModuleType) -> list[str]:
    """Its public names. A room without a list has none of its own: its modules have."""
    return list(getattr(module, "__all__", []))


@pytest.mark.parametrize("room", ROOMS)
def test_the_names_are_these(room: str) -> None:
    module = importlib.import_module(room)
    assert sorted(public(module)) == sorted(PUBLIC[room].split())


@pytest.mark.parametrize("room", ROOMS)
def test_each_name_is_there(room: str) -> None:
    module = importlib.import_module(room)
    for name in public(module):
        assert getattr(module, name) is not None, name


@pytest.mark.parametrize("room", ROOMS)
def test_an_unknown_name_is_an_ordinary_error(room: str) -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = importlib.import_module(room).no_such_name


def test_every_public_function_and_class_is_described() -> None:
    silent = [
        f"{room}.{name}"
        for room in ROOMS
        for name in public(importlib.import_module(room))
        if callable(thing := getattr(importlib.import_module(room), name))
        and not (getattr(thing, "__doc__", "") or "").strip()
    ]
    assert silent == []


def test_every_room_is_listed(repository: Path) -> None:
    folder = repository / "src" / "mezzofanti"
    rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert {f"mezzofanti.{room}" for room in rooms} <= set(PUBLIC)


def test_a_lazy_package_names_what_it_has_not() -> None:
    import mezzofanti.report

    with pytest.raises(AttributeError, match=r"'mezzofanti.report' has no attribute 'write_repot'"):
        mezzofanti.report.write_repot  # noqa: B018
    assert {"write_report", "__doc__"} <= set(dir(mezzofanti.report))
