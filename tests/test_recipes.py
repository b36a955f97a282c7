"""Every ready recipe is read as it stands, and runs to its end made small: tiny base, few rows, few steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mezzofanti.continual import LearnerFolder
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
