"""A learner is a folder that is taught task after task.

    learner = Learner.open("learner/", base="smollm2-135m", method=RecurrentKIF())
    learner.learn_stream(TaskStream([english, french, spanish]))
    learner.matrix.bwt

Killed at any point, the same calls go on where they stopped and end with the same weights (same machine, versions and
thread count, on CPU). `state.py` says what lies in the folder, `agreement.py` what a folder refuses to mix.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mezzofanti.bases import Base
from mezzofanti.continual.agreement import fingerprint, same_exam, same_learned, same_rows, same_task
from mezzofanti.continual.beginning import checked_method, known_method, open_folder, task_seed
from mezzofanti.continual.lock import LOCK, held
from mezzofanti.continual.memory import Memory
from mezzofanti.continual.methods import Method
from mezzofanti.continual.metrics import AccuracyMatrix
from mezzofanti.continual.reexamination import Reexamination, finish, write_answers, write_questions
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
SAMPLE_ROWS = 12


class Learner:
    """One adapter on one base, taught by one method. Make it with `Learner.open`."""

    def __init__(
        self,
        folder: LearnerFolder,
        settings: dict[str, Any],
        base: Base,
        progress: Progress | None,
        method: Method | None = None,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.base = base
        self.progress = progress
        self.method = method or known_method(folder, settings["method"])
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

        `method` is used as it is given; one of your own class is given again each time.

        Raises `StateError` where a setting given differs from what the learner was begun with,
        `ConfigurationError` where a new one has no base, `MissingExtraError` without the `train` extra.
        """
        require("train", "torch", "transformers", "peft", "accelerate", "safetensors")
        place = LearnerFolder(folder)
        given = {
            "method": None if method is None else checked_method(method, memory_rows).settings,
            "adapter": None if adapter is None else adapter.model_dump(mode="json"),
            "training": None if training is None else training.model_dump(mode="json"),
            "memory_rows": memory_rows,
            "seed": seed,
        }
        return cls(place, *open_folder(place, base, given), progress, method)

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

        Where more than `stream` was learned already, nothing is done. Raises `StateError` where the tasks learned so
        far are not the first of `stream`, or had other rows or exams, and where another process is at this learner.
        """
        with self._alone():
            self.folder.expect(stream.names)
            same_rows(self.folder, stream)
            return self._learn_rest(stream, until)

    def learn(self, task: Task) -> AccuracyMatrix:
        """Learn one more task. Earlier tasks are examined with the questions they were learned with.

        Raises `StateError` where a task of that name was learned from other rows, or examined otherwise, and where
        another process is at this learner.
        """
        with self._alone():
            if task.name in self.learned:
                same_learned(self.folder, task)
                self.folder.tidy(self.matrix.tasks)
                return self.matrix
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
        have are kept. The new exams replace the old ones together, at the end; killed, the same call goes on.
        """
        with self._alone():
            self.folder.expect(stream.names)
            new = Reexamination(self.folder, stream, only)
            for index, name in new.missing():
                new.add(index, name, self._examine_again(index, name, stream))
            new.put_in_place()
            return self.folder.matrix(new.columns)

    def fork(self, folder: Path | str, *, method: Method | None = None) -> Learner:
        """Copy this learner, with all it has learned, to a new `folder`; it may go on by another `method`."""
        target = Path(folder)
        if target.exists():
            raise StateError(f"{target} exists already.", cure="Name a new folder.")
        method = self.method if method is None else checked_method(method, self.settings["memory_rows"])
        temporary = target.with_name(f".{target.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        with self._alone():
            shutil.copytree(self.folder.path, temporary, ignore=shutil.ignore_patterns("work", LOCK))
            settings = {**self.settings, "method": method.settings, "forked_from": str(self.folder.path)}
            LearnerFolder(temporary).write_settings(settings)
            LearnerFolder(temporary).refresh(self.matrix.tasks)
        temporary.replace(target)
        rows = self.settings["memory_rows"]
        return Learner.open(target, base=self.base, method=method, memory_rows=rows, progress=self.progress)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process teaches or examines this learner meanwhile; what one has done before is known."""
        with held(self.folder.path):
            finish(self.folder)
            self.memory = Memory(self.settings["memory_rows"], self.folder.path / "memory")
            yield

    # ---- one task --------------------------------------------------------------------------------------------

    def _learn_rest(self, stream: TaskStream, until: int | None) -> AccuracyMatrix:
        same_exam(self.folder, stream)
        before = self.folder.folder_of(0, BEFORE)
        if not (before / "scores.json").is_file():
            write_answers(before, self._examine(0, BEFORE, stream))
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
        self._remember(index, task, trained)
        self._examine_learned(index, task, stream, trained)
        final = self.folder.folder_of(index, task.name)
        final.parent.mkdir(parents=True, exist_ok=True)
        trained.replace(final)
        self.folder.tidy(stream.names)

    def _remember(self, index: int, task: Task, trained: Path) -> None:
        dropped = read_json(trained / "record.json")["dropped_rows"]
        # a row too long to be learned is too long to be learned again
        rows = self._pupil_after(index).fitting(task.train) if dropped else task.train
        self.memory.add(task.name, [s.model_dump(mode="json") for s in rows], seed=self.settings["seed"])

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
        self._write_routing(temporary, pupil, task)
        write_json(temporary / "record.json", record)
        temporary.replace(work / "trained")

    def _write_routing(self, folder: Path, pupil: Pupil, task: Task) -> None:
        if not self.adapter.routed:
            return
        groups = {one.name: one.train[:SAMPLE_ROWS] for one in (*self.stream_learned(), task)}
        write_json(folder / "routing.json", {"schema": 1, "groups": pupil.routing(groups)})

    def _examine_learned(self, index: int, task: Task, stream: TaskStream, trained: Path) -> None:
        self._pupil_after(index)
        started = time.perf_counter()
        answers = self._examine(index, task.name, stream)
        marks = {"rows": fingerprint(task.train), "exam": fingerprint(task.test)}
        record = {**read_json(trained / "record.json"), **marks}
        write_questions(trained, task)
        write_jsonl(
            trained / "sample-rows.jsonl", [s.model_dump(mode="json") for s in task.train[:SAMPLE_ROWS]]
        )
        write_json(trained / "record.json", {**record, "exam_seconds": time.perf_counter() - started})
        write_answers(trained, answers)

    def _examine(self, index: int, name: str, stream: TaskStream) -> list[Answer]:
        label = f"exam after {name}" if index else "exam before any lesson"
        papers = {task.name: task.test for task in stream}
        return self._pupil_after(index).examine(papers, progress=self._say(f"{self.method.name}, {label}"))

    def _examine_again(self, index: int, name: str, stream: TaskStream) -> list[Answer]:
        from mezzofanti.evaluation.exam import Answer

        path = self.folder.folder_of(index, name) / "answers.jsonl"
        kept = [row for row in read_jsonl(path) if row["task"] not in stream.names] if path.is_file() else []
        return [*self._examine(index, name, stream), *map(Answer.model_validate, kept)]

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

    def _say(self, what: str) -> Callable[[int, int], None] | None:
        progress = self.progress
        return None if progress is None else lambda done, total: progress(what, done, total)
