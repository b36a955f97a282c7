"""A learner's folder: where everything lies, and how it is read without torch.

    learner.yaml                    resolved settings
    matrix.json                     the accuracy matrix, derived from the tasks' scores
    history.jsonl, metrics.jsonl    one line a task; one line a log
    tasks/00-before/                the exam before any training
    tasks/02-french/                adapter/, answers.jsonl, scores.json, record.json, metrics.jsonl,
                                    questions.jsonl, sample-rows.jsonl, routing.json (adapters with routers)
    memory/02-french.jsonl          rows remembered
    work/                           a running task's checkpoints; deleted when the task ends
    learner.lock                    held by whoever teaches or examines it (`lock.py`)

A task's folder appears under its name only when it is whole (renamed last), so a learner is always the tasks it shows.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from mezzofanti.continual.metrics import AccuracyMatrix
from mezzofanti.errors import DataError, StateError
from mezzofanti.files import read_json, read_jsonl, write_json, write_jsonl, write_text

__all__ = ["LearnerFolder"]

BEFORE = "before"


class LearnerFolder:
    """Paths and plain data of one learner; needs no torch."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def settings_file(self) -> Path:
        """`learner.yaml`."""
        return self.path / "learner.yaml"

    @property
    def exists(self) -> bool:
        """Whether a learner was begun here."""
        return self.settings_file.is_file()

    @classmethod
    def those_in(cls, path: Path) -> list[LearnerFolder]:
        """The learner in `path`, or, where there is none, those in the folders right below it, by name.

        Raises `DataError` where there is none there either, or what is there cannot be read.
        """
        found = [cls(path)]
        if not found[0].exists and path.is_dir():
            below = [cls(folder) for folder in sorted(path.iterdir())]
            found = [learner for learner in below if learner.exists] or found
        for learner in found:
            learner.settings()
        return found

    def settings(self) -> dict[str, Any]:
        """The resolved settings. Raises `DataError` where there is no learner."""
        if not self.exists:
            raise DataError(f"There is no learner in {self.path}.", cure="Begin one with: mezzo learn RECIPE")
        try:
            settings: dict[str, Any] = yaml.safe_load(self.settings_file.read_text("utf-8"))
            if settings["schema"] == 1:
                return settings
        except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError):
            pass
        raise DataError(
            f"{self.settings_file} does not hold the settings of a learner.",
            cure="Mend it, or begin anew elsewhere.",
        )

    def write_settings(self, settings: dict[str, Any]) -> None:
        """Write `learner.yaml`."""
        write_text(self.settings_file, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))

    def task_folders(self) -> list[Path]:
        """Finished tasks in order, `00-before` first."""
        return sorted(
            path for path in (self.path / "tasks").glob("[0-9][0-9]-*") if (path / "scores.json").is_file()
        )

    def learned(self) -> list[str]:
        """Names of the tasks learned, in order."""
        return [path.name.split("-", 1)[1] for path in self.task_folders() if not path.name.startswith("00-")]

    def folder_of(self, index: int, name: str) -> Path:
        """The folder of task `index` (0: before any training)."""
        return self.path / "tasks" / f"{index:02d}-{name}"

    def work_of(self, index: int) -> Path:
        """Where task `index` keeps its checkpoints while it runs."""
        return self.path / "work" / f"{index:02d}"

    @property
    def exam(self) -> Path:
        """Where exams taken anew are kept until all are there (`reexamination.py`)."""
        return self.path / "work" / "exam"

    def running(self) -> str:
        """The task that was begun and is not finished, and how far it is; empty where there is none."""
        for begun in sorted((self.path / "work").glob("*/task.json")):
            if int(begun.parent.name) <= len(self.learned()):
                continue
            steps = sorted(int(path.name.split("-")[1]) for path in begun.parent.glob("checkpoint-*"))
            where = (
                "trained, not yet examined"
                if (begun.parent / "trained").is_dir()
                else f"step {max(steps, default=0)}"
            )
            return f"{read_json(begun)['task']} ({where}); the same command goes on there"
        return ""

    def matrix(self, tasks: Sequence[str] = ()) -> AccuracyMatrix:
        """The matrix over `tasks`, or over the tasks the last written matrix has, from the scores on disk.

        Where more was learned after `tasks`, what was examined after that is left out.
        """
        written = self.path / "matrix.json"
        names = list(tasks) or (read_json(written)["tasks"] if written.is_file() else self.learned())
        moments = 1 + sum(name in names for name in self.learned())
        scores = [read_json(folder / "scores.json") for folder in self.task_folders()[:moments]]
        counts: dict[str, int] = {}
        for score in scores:
            counts.update(score["questions"])
        rows = [[score["scores"].get(name) for name in names] for score in scores]
        return AccuracyMatrix(names, [counts.get(name, 0) for name in names], rows)

    def refresh(self, tasks: Sequence[str]) -> None:
        """Derive `matrix.json`, `history.jsonl` and `metrics.jsonl` anew from the finished tasks."""
        settings = self.settings()
        head = {"schema": 1, "method": settings["method"]["type"], "adapter": settings["adapter"]["type"]}
        write_json(
            self.path / "matrix.json", {**head, "seed": settings["seed"], **self.matrix(tasks).as_json()}
        )
        records = [
            folder / "record.json" for folder in self.task_folders() if (folder / "record.json").is_file()
        ]
        write_jsonl(self.path / "history.jsonl", [read_json(record) for record in records])
        logs = [
            folder / "metrics.jsonl" for folder in self.task_folders() if (folder / "metrics.jsonl").is_file()
        ]
        write_jsonl(self.path / "metrics.jsonl", [row for log in logs for row in read_jsonl(log)])

    def tidy(self, tasks: Sequence[str]) -> None:
        """What follows a finished task, also where it was killed before: its work goes, the derived files are made.

        Tasks learned that are not among `tasks` keep their columns.
        """
        learned = self.learned()
        for index in range(1, len(learned) + 1):
            shutil.rmtree(self.work_of(index), ignore_errors=True)
        shutil.rmtree(self.exam, ignore_errors=True)
        self.refresh([*tasks, *(name for name in learned if name not in tasks)])

    def history(self) -> list[dict[str, Any]]:
        """One record a finished task."""
        path = self.path / "history.jsonl"
        return list(read_jsonl(path)) if path.is_file() else []

    def expect(self, tasks: Sequence[str]) -> None:
        """Raise `StateError` unless the tasks learned so far are the first of `tasks`, or `tasks` the first of them."""
        learned = self.learned()
        shared = min(len(learned), len(tasks))
        if learned[:shared] != list(tasks)[:shared]:
            raise StateError(
                f"{self.path} has learned {', '.join(learned)}; the stream begins with {', '.join(tasks)}.",
                cure="Use another folder, or keep the tasks already learned first and in their order.",
            )
