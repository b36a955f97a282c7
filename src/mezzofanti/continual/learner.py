"""A learner is a folder that is taught task after task.

    learner = Learner.open("learner/", base="smollm2-135m", method=RecurrentKIF())
    learner.learn_stream(TaskStream([english, french, spanish]))
    learner.matrix.bwt

Killed at any point, the same calls go on where they stopped and end with the same weights (same machine, versions and
thread count, on CPU). `state.py` says what lies in the folder, `agreement.py` what a folder refuses to mix.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mezzofanti.bases import Base
from mezzofanti.continual.agreement import fingerprint, same_exam, same_rows, same_task
from mezzofanti.continual.beginning import open_folder, task_seed
from mezzofanti.continual.memory import Memory
from mezzofanti.continual.methods import Method, create
from mezzofanti.continual.metrics import AccuracyMatrix
from mezzofanti.continual.settings import AdapterSettings, TrainingSettings
from mezzofanti.continual.state import BEFORE, LearnerFolder
from mezzofanti.continual.stream import Task, TaskStream
from mezzofanti.errors import StateError, require
from mezzofanti.evaluation.questions import Question
from mezzofanti.files import read_json, read_jsonl, write_json, write_jsonl
from mezzofanti.records import Sample

if TYPE_CHECKING:
    from mezzofanti.continual.pupil import Pupil
    from mezzofanti.evaluation.exam import Answer

__all__ = ["Learner"]

Progress = Callable[[str, int, int], None]


class Learner:
    """One adapter on one base, taught by one method. Make it with `Learner.open`."""

    def __init__(
        self, folder: LearnerFolder, settings: dict[str, Any], base: Base, progress: Progress | None
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.base = base
        self.progress = progress
        self.method: Method = create(settings["method"])
        self.adapter = AdapterSettings.model_validate(settings["adapter"])
        self.training = TrainingSettings.model_validate(settings["training"])
        self.memory = Memory(settings["memory_rows"], folder.path / "memory")
        self._pupil: Pupil | None = None

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        base: str | Path | Base | None = None,
        method: Method | None = None,
        adapter: AdapterSettings | None = None,
        training: TrainingSettings | None = None,
        memory_rows: int | None = None,
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> Learner:
        """Open the learner in `folder`, or begin one there. What is not given is what it was begun with.

        Raises `StateError` where a setting given differs from what the learner was begun with,
        `ConfigurationError` where a new one has no base, `MissingExtraError` without the `train` extra.
        """
        require("train", "torch", "transformers", "peft", "accelerate", "safetensors")
        place = LearnerFolder(folder)
        given = {
            "method": None if method is None else method.settings,
            "adapter": None if adapter is None else adapter.model_dump(mode="json"),
            "training": None if training is None else training.model_dump(mode="json"),
            "memory_rows": memory_rows,
            "seed": seed,
        }
        return cls(place, *open_folder(place, base, given), progress)

    @property
    def matrix(self) -> AccuracyMatrix:
        """The accuracy matrix so far."""
        return self.folder.matrix()

    @property
    def learned(self) -> list[str]:
        """Names of the tasks learned, in order."""
        return self.folder.learned()

    def learn_stream(self, stream: TaskStream, *, until: int | None = None) -> AccuracyMatrix:
        """Learn every task of `stream` not yet learned (the first `until` of them), examining all after each.

        Raises `StateError` where the tasks learned so far are not the first of `stream`, or had other rows or exams.
        """
        self.folder.expect(stream.names)
        same_rows(self.folder, stream)
        return self._learn_rest(stream, until)

    def learn(self, task: Task) -> AccuracyMatrix:
        """Learn one more task. Earlier tasks are examined with the questions they were learned with.

        Raises `StateError` where a task of that name was learned from other rows.
        """
        if task.name in self.learned:
            return self._learned_already(task)
        if self.method.whole_stream and self.learned:
            raise StateError(
                "Joint learns all tasks at once.", cure="Give it the whole stream: learn_stream."
            )
        return self._learn_rest(TaskStream([*self.stream_learned(), task]), None)

    def stream_learned(self) -> TaskStream:
        """The tasks learned so far, with the questions they were examined with and the first of their rows."""
        return TaskStream([self._remembered(index, name) for index, name in enumerate(self.learned, 1)])

    def evaluate(self, stream: TaskStream, *, only: Collection[int] | None = None) -> AccuracyMatrix:
        """Examine every adapter this learner has saved, oldest first, with the questions of `stream`, anew.

        With `only`, just those after so many tasks (0: before any training). Answers to tasks that `stream` does not
        have are kept.
        """
        self.folder.expect(stream.names)
        columns = [*stream.names, *(name for name in self.matrix.tasks if name not in stream.names)]
        for index, name in enumerate([BEFORE, *self.learned]):
            folder = self.folder.folder_of(index, name)
            if index:
                _write_questions(folder, stream.tasks[index - 1])
            if only is None or index in only:
                self._examine_again(index, name, stream, folder)
            self.folder.refresh(columns)
        return self.folder.matrix(columns)

    def fork(self, folder: Path | str, *, method: Method | None = None) -> Learner:
        """Copy this learner, with all it has learned, to a new `folder`; it may go on by another `method`."""
        target = Path(folder)
        if target.exists():
            raise StateError(f"{target} exists already.", cure="Name a new folder.")
        temporary = target.with_name(f".{target.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(self.folder.path, temporary, ignore=shutil.ignore_patterns("work"))
        settings = {**self.settings, "forked_from": str(self.folder.path)}
        if method is not None:
            settings["method"] = method.settings
        LearnerFolder(temporary).write_settings(settings)
        LearnerFolder(temporary).refresh(self.matrix.tasks)
        temporary.replace(target)
        return Learner.open(target, base=self.base, progress=self.progress)

    # ---- one task --------------------------------------------------------------------------------------------

    def _learn_rest(self, stream: TaskStream, until: int | None) -> AccuracyMatrix:
        same_exam(self.folder, stream)
        before = self.folder.folder_of(0, BEFORE)
        if not (before / "scores.json").is_file():
            self._write_answers(before, self._examine(0, BEFORE, stream))
        self.folder.tidy(stream.names)
        for index, task in enumerate(stream.tasks[:until], 1):
            if index > len(self.learned):
                self._learn(index, task, stream)
        return self.folder.matrix(stream.names)

    def _learn(self, index: int, task: Task, stream: TaskStream) -> None:
        work = self.folder.work_of(index)
        same_task(work, task)
        trained = work / "trained"
        if not (trained / "record.json").is_file():
            self._train(index, task, stream, work)
        self.memory.add(
            task.name, [s.model_dump(mode="json") for s in task.train], seed=self.settings["seed"]
        )
        self._examine_learned(index, task, stream, trained)
        final = self.folder.folder_of(index, task.name)
        final.parent.mkdir(parents=True, exist_ok=True)
        trained.replace(final)
        self.folder.tidy(stream.names)

    def _train(self, index: int, task: Task, stream: TaskStream, work: Path) -> None:
        pupil = self._pupil_after(index - 1)
        # a task that was given up half-way may have left its rows
        self.memory.keep(self.learned)
        started = time.perf_counter()
        whole = stream.tasks if self.method.whole_stream else (task,)
        rows = [sample for one in whole for sample in one.train]
        record, log = pupil.learn(
            rows,
            self.memory.rows() if self.method.uses_memory else [],
            self.method,
            work=work,
            seed=task_seed(self.settings["seed"], index),
            progress=self._say(f"{self.method.name} learns {task.name}"),
        )
        record = {"task": task.name, "index": index, "seconds": time.perf_counter() - started, **record}
        temporary = work / "trained.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        pupil.save(temporary / "adapter")
        write_jsonl(temporary / "metrics.jsonl", [{"task": task.name, **row} for row in log])
        write_json(temporary / "record.json", record)
        temporary.replace(work / "trained")

    def _examine_learned(self, index: int, task: Task, stream: TaskStream, trained: Path) -> None:
        self._pupil_after(index)
        started = time.perf_counter()
        answers = self._examine(index, task.name, stream)
        marks = {"fingerprint": fingerprint(task.train, task.test), "rows": fingerprint(task.train)}
        record = {**read_json(trained / "record.json"), **marks}
        _write_questions(trained, task)
        write_jsonl(trained / "sample-rows.jsonl", [s.model_dump(mode="json") for s in task.train[:12]])
        write_json(trained / "record.json", {**record, "exam_seconds": time.perf_counter() - started})
        self._write_answers(trained, answers)

    def _examine(self, index: int, name: str, stream: TaskStream) -> list[Answer]:
        label = f"exam after {name}" if index else "exam before any lesson"
        papers = {task.name: task.test for task in stream}
        return self._pupil_after(index).examine(papers, progress=self._say(f"{self.method.name}, {label}"))

    def _examine_again(self, index: int, name: str, stream: TaskStream, folder: Path) -> None:
        from mezzofanti.evaluation.exam import Answer

        path = folder / "answers.jsonl"
        kept = [row for row in read_jsonl(path) if row["task"] not in stream.names] if path.is_file() else []
        self._write_answers(folder, [*self._examine(index, name, stream), *map(Answer.model_validate, kept)])

    def _write_answers(self, folder: Path, answers: Sequence[Answer]) -> None:
        from mezzofanti.continual.pupil import Pupil

        write_jsonl(folder / "answers.jsonl", [answer.model_dump(mode="json") for answer in answers])
        write_json(folder / "scores.json", {"schema": 1, **Pupil.scores(answers)})

    # ---- the model -------------------------------------------------------------------------------------------

    def _pupil_after(self, index: int) -> Pupil:
        """The model as it was after task `index`; kept in memory from one task to the next."""
        if self._pupil is None:
            from mezzofanti.continual.pupil import Pupil

            self._pupil = Pupil(self.base, self.adapter, self.training, seed=self.settings["seed"])
        if self._pupil.index != index:
            adapter = self.folder.work_of(index) / "trained" / "adapter"
            if not adapter.is_dir() and index:
                adapter = self.folder.folder_of(index, self.learned[index - 1]) / "adapter"
            self._pupil.become(index, adapter if index else None)
        return self._pupil

    def _remembered(self, index: int, name: str) -> Task:
        folder = self.folder.folder_of(index, name)
        samples = map(Sample.model_validate, read_jsonl(folder / "sample-rows.jsonl"))
        questions = map(Question.model_validate, read_jsonl(folder / "questions.jsonl"))
        return Task(name, tuple(samples), tuple(questions))

    def _learned_already(self, task: Task) -> AccuracyMatrix:
        index = self.learned.index(task.name) + 1
        record = read_json(self.folder.folder_of(index, task.name) / "record.json")
        if record["fingerprint"] != fingerprint(task.train, task.test):
            raise StateError(
                f"{self.folder.path} has learned a task {task.name!r} from other rows.",
                cure="Give the new rows another name.",
            )
        self.folder.tidy(self.matrix.tasks)
        return self.matrix

    def _say(self, what: str) -> Callable[[int, int], None] | None:
        progress = self.progress
        return None if progress is None else lambda done, total: progress(what, done, total)


def _write_questions(folder: Path, task: Task) -> None:
    write_jsonl(folder / "questions.jsonl", [question.model_dump(mode="json") for question in task.test])
