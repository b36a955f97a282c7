"""Examining anew what is saved: the new exams are kept apart until all are there, then take the old ones' places.

    work/exam/exam.json             which exam this is: another one begins anew
    work/exam/02-french/            answers.jsonl, questions.jsonl, record.json, scores.json, the last one last
    work/exam/whole.json            all are there: from now on they only have to be moved

Killed before `whole.json`, the old exams stand untouched, and the same call goes on; killed after it, the next call
that changes the learner moves the rest. So no row of a matrix is read off another exam than the next.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mezzofanti.continual.agreement import fingerprint
from mezzofanti.continual.state import BEFORE, LearnerFolder
from mezzofanti.continual.stream import Task, TaskStream
from mezzofanti.files import read_json, write_json, write_jsonl

if TYPE_CHECKING:
    from mezzofanti.evaluation.exam import Answer

__all__ = ["Reexamination", "finish", "write_answers", "write_questions"]


class Reexamination:
    """New exams of the adapters saved in `place`, of those with an index in `only` (None: of all)."""

    def __init__(self, place: LearnerFolder, stream: TaskStream, only: Collection[int] | None) -> None:
        self.place = place
        self.stream = stream
        self.columns = [*stream.names, *(name for name in place.matrix().tasks if name not in stream.names)]
        moments = list(enumerate([BEFORE, *place.learned()]))
        self.moments = [(i, name) for i, name in moments if only is None or i in only]
        self._others = [(i, name) for i, name in moments if (i, name) not in self.moments]
        mark = {
            "tasks": stream.names,
            "exam": fingerprint(*(task.test for task in stream)),
            "moments": [list(m) for m in self.moments],
        }
        begun = place.exam / "exam.json"
        if not begun.is_file() or read_json(begun) != mark:
            shutil.rmtree(place.exam, ignore_errors=True)
            write_json(begun, mark)

    def folder(self, index: int, name: str) -> Path:
        """Where the new exam after task `index` is kept."""
        return self.place.exam / self.place.folder_of(index, name).name

    def missing(self) -> list[tuple[int, str]]:
        """The moments not examined yet."""
        return [moment for moment in self.moments if not (self.folder(*moment) / "scores.json").is_file()]

    def add(self, index: int, name: str, answers: Sequence[Answer]) -> None:
        """Keep the new exam after task `index`."""
        self._write_task(index, name)
        write_answers(self.folder(index, name), answers)

    def put_in_place(self) -> None:
        """Let the new exams take the places of the old ones."""
        for moment in self._others:
            self._write_task(*moment)
        write_json(self.place.exam / "whole.json", {"columns": self.columns})
        finish(self.place)

    def _write_task(self, index: int, name: str) -> None:
        """The task's own questions, and its record, which says so."""
        if not index or name not in self.stream.names:
            return
        task = self.stream.tasks[index - 1]
        record: dict[str, Any] = read_json(self.place.folder_of(index, name) / "record.json")
        # one fingerprint of rows and exam together, as earlier versions wrote it, would be stale
        record.pop("fingerprint", None)
        write_questions(self.folder(index, name), task)
        write_json(self.folder(index, name) / "record.json", {**record, "exam": fingerprint(task.test)})


def finish(place: LearnerFolder) -> None:
    """Move what a killed `Reexamination` had whole; do nothing where there is none."""
    whole = place.exam / "whole.json"
    if not whole.is_file():
        return
    for path in sorted(place.exam.glob("*-*/*.json*")):
        target = place.path / "tasks" / path.parent.name
        if target.is_dir():
            path.replace(target / path.name)
    place.refresh(read_json(whole)["columns"])
    shutil.rmtree(place.exam)


def write_questions(folder: Path, task: Task) -> None:
    """Write what a task is examined with."""
    write_jsonl(folder / "questions.jsonl", [question.model_dump(mode="json") for question in task.test])


def write_answers(folder: Path, answers: Sequence[Answer]) -> None:
    """Write an exam's answers, and then their scores."""
    from mezzofanti.continual.pupil import Pupil

    write_jsonl(folder / "answers.jsonl", [answer.model_dump(mode="json") for answer in answers])
    write_json(folder / "scores.json", {"schema": 1, **Pupil.scores(answers)})
