"""Every ready recipe is read as it stands, and runs to its end made small: tiny base, few rows, few steps."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from benchmarks.school.setting import ADAPTERS

from mezzofanti.cli import main
from mezzofanti.continual import LearnerFolder
from mezzofanti.files import read_json
from mezzofanti.recipe import LearnerRecipe
from mezzofanti.schooling import teach_recipe

RECIPES = Path(__file__).parents[1] / "recipes"
LEARNERS = sorted(
    path for path in RECIPES.rglob("*.yaml") if "tasks" in yaml.safe_load(path.read_text("utf-8"))
)
SMALL = {"train_rows": 24, "questions": 3, "unseen_phrasings": 1}


def small(recipe: Path, base: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The recipe on the tiny base, with data of the same kind and much less of it."""
    settings: dict[str, Any] = yaml.safe_load(recipe.read_text("utf-8"))
    for task in settings["tasks"]:
        task.update({key: value for key, value in SMALL.items() if key in task})
        if "train" in task:
            task["train"] = str(recipe.parent / task["train"])
        if "folder" in task:
            task["folder"] = str(request.getfixturevalue("shared_data") / Path(task["folder"]).name)
    settings["base"] = str(base)
    settings["training"] = {**settings.get("training", {}), "max_steps": 10, "per_device_train_batch_size": 2}
    return settings


@pytest.mark.parametrize("recipe", LEARNERS, ids=lambda path: path.stem)
def test_recipe_is_read(recipe: Path) -> None:
    assert LearnerRecipe.load(recipe).tasks


@pytest.mark.parametrize("recipe", LEARNERS, ids=lambda path: path.stem)
def test_recipe_runs(recipe: Path, tiny_base: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    settings = small(recipe, tiny_base, request)
    (tmp_path / recipe.name).write_text(yaml.safe_dump(settings, allow_unicode=True), "utf-8")
    matrix = teach_recipe(tmp_path / recipe.name, tmp_path / "learner")
    assert len(matrix.rows) == len(settings["tasks"]) + 1
    assert len(LearnerFolder(tmp_path / "learner").learned()) == len(settings["tasks"])


def test_the_mixture_is_that_of_the_school_benchmark() -> None:
    recipe = LearnerRecipe.load(RECIPES / "mixture.yaml")
    cells = read_json(RECIPES.parent / "benchmarks/results/school.json")["methods"]["recurrent-kif/malora"]
    assert recipe.adapter == ADAPTERS["malora"]
    assert recipe.training.learning_rate == cells["0"]["learning_rate"]


def test_the_mixture_is_taught_and_folded(
    tiny_base: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = small(RECIPES / "mixture.yaml", tiny_base, request)
    monkeypatch.chdir(tmp_path)
    Path("recipes").mkdir()
    Path("recipes/mixture.yaml").write_text(yaml.safe_dump(settings), "utf-8")
    for words in ("learn recipes/mixture.yaml", "fold learners/mixture"):  # as README and docs have them
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["mezzo", *words.split()])
        with contextlib.suppress(SystemExit):
            main()
    said, told = capsys.readouterr()
    assert said.startswith("folded    en, fr, es: plain LoRA of rank 12 in folds/mixture\n"), told
    for language in ("en", "fr", "es"):
        config = read_json(Path("folds/mixture") / language / "adapter_config.json")
        assert (config["peft_type"], config["r"]) == ("LORA", 12)
