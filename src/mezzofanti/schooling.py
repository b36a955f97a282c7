"""Teaching from files: what `mezzo learn` does, callable from Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mezzofanti.continual import AccuracyMatrix, Learner, Task
from mezzofanti.continual.methods import create
from mezzofanti.continual.state import LearnerFolder
from mezzofanti.errors import ConfigurationError, nearest
from mezzofanti.evaluation.scorers import SCORERS
from mezzofanti.recipe import FileTask, LearnerRecipe
from mezzofanti.records import read_samples

__all__ = ["teach_file", "teach_recipe"]

Progress = Callable[[str, int, int], None]
Say = Callable[[str], None]
NEW_BASE = "smollm2-135m"
"""What a learner is begun on where rows are all that is given."""


def teach_recipe(recipe: Path, folder: Path, progress: Progress | None = None) -> AccuracyMatrix:
    """Teach the learner in `folder` every task of `recipe` it has not learned yet."""
    settings = LearnerRecipe.load(recipe)
    stream = settings.stream()
    learner = Learner.open(
        folder,
        base=settings.base_found,
        method=create(settings.method),
        adapter=settings.adapter,
        training=settings.training,
        memory_rows=settings.memory_rows,
        seed=settings.seed,
        progress=progress,
    )
    return learner.learn_stream(stream)


def teach_file(
    rows: Path,
    folder: Path,
    progress: Progress | None = None,
    *,
    scorer: str = "exact",
    begin: bool = True,
    say: Say = print,
) -> AccuracyMatrix:
    """Teach the learner in `folder` one more task from a file of your own.

    A fifth of the rows, at most fifty, is kept from training and becomes the exam, scored by `scorer`. Where there is
    no learner, one is begun on `NEW_BASE`, which is said; without `begin`, `ConfigurationError`.
    """
    known = LearnerFolder(folder).exists
    if not known and not begin:
        raise ConfigurationError(
            f"There is no learner in {folder}.",
            cure=f"Check --learner; to begin one: mezzo learn RECIPE --learner {folder}, or leave --learner out.",
        )
    if scorer not in SCORERS:
        raise ConfigurationError(f"There is no scorer {scorer!r}.", cure=nearest(scorer, SCORERS))
    settings = {"source": "jsonl", "name": rows.stem, "train": str(rows.resolve()), "scorer": scorer}
    task = FileTask.model_validate({**settings, "questions": exam_size(rows)})
    train, test = task.load(Path(), seed=0)
    if not known:
        say(f"Beginning a new learner in {folder} on {NEW_BASE}.")
    learner = Learner.open(folder, base=None if known else NEW_BASE, progress=progress)
    return learner.learn(Task(name=task.title, train=tuple(train), test=tuple(test)))


def exam_size(rows: Path) -> int:
    """How many rows of a file become its exam."""
    return max(1, min(50, len(read_samples(rows)) // 5))
