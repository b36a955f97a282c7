"""What a learner's folder must not mix: other settings, other rows, another exam. Each is refused, with its cure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from mezzofanti.bases import Base
from mezzofanti.continual.methods import METHODS, create
from mezzofanti.continual.settings import AdapterSettings, TrainingSettings
from mezzofanti.continual.state import LearnerFolder
from mezzofanti.continual.stream import Task, TaskStream
from mezzofanti.errors import StateError
from mezzofanti.evaluation.questions import Question
from mezzofanti.files import read_json, read_jsonl, write_json
from mezzofanti.records import Record

__all__ = [
    "fingerprint",
    "same_base",
    "same_exam",
    "same_learned",
    "same_rows",
    "same_settings",
    "same_task",
]

# settings as they would be today: a learner begun before a setting existed was begun with its default
_TODAY: dict[str, Callable[[Any], Any]] = {
    "method": lambda settings: create(settings).settings if settings["type"] in METHODS else settings,
    "adapter": lambda settings: AdapterSettings.model_validate(settings).model_dump(mode="json"),
    "training": lambda settings: TrainingSettings.model_validate(settings).model_dump(mode="json"),
}


def same_settings(place: LearnerFolder, known: dict[str, Any], given: dict[str, Any]) -> None:
    """Raise `StateError` where one of the settings `given` (None: not given) differs from what is `known`."""
    for name, value in given.items():
        before = _TODAY.get(name, lambda settings: settings)(known[name])
        if value is not None and value != before:
            raise StateError(
                f"The learner in {place.path} was begun with {name} = {before!r}, not {value!r}.",
                cure="Use another folder, or leave the setting as it was.",
            )


def same_base(place: LearnerFolder, known: dict[str, Any], found: Base) -> None:
    """Raise `StateError` where `found` is another base than the learner's; a folder may have been moved."""
    moved = found.name == known["name"] and not Path(known["path"]).is_dir()
    if found.origin != known["origin"] and not moved:
        raise StateError(
            f"The learner in {place.path} was begun on {known['origin']}, not on {found.origin}.",
            cure="Use another folder, or the same base.",
        )


def same_task(work: Path, task: Task) -> None:
    """Raise `StateError` where `work` holds another half-learned task; else note there that this one is begun."""
    path, mark = work / "task.json", fingerprint(task.train, task.test)
    if path.is_file() and (begun := read_json(path))["fingerprint"] != mark:
        what = f"The rows of task {task.name!r} changed since it was begun."
        if begun["task"] != task.name:
            what = (
                f"Task {begun['task']!r} was begun and is not finished; {task.name!r} cannot take its place."
            )
        raise StateError(what, cure=f"Finish it, or remove {work} to begin anew.")
    write_json(path, {"task": task.name, "fingerprint": mark})


def same_rows(place: LearnerFolder, stream: TaskStream) -> None:
    """Raise `StateError` where a task of `stream` was learned from other rows than it has now."""
    for index, (name, task) in enumerate(zip(place.learned(), stream, strict=False), 1):
        record = read_json(place.folder_of(index, name) / "record.json")
        if record.get("rows", mark := fingerprint(task.train)) != mark:
            raise StateError(
                f"{place.path} has learned {name!r} from other rows than the task has now.",
                cure="Use another folder, or give the new rows another name.",
            )


def same_exam(place: LearnerFolder, stream: TaskStream) -> None:
    """Raise `StateError` where the questions of `stream` differ from those examined so far.

    Rows of a matrix that were read off different exams cannot be compared.
    """
    asked = {task.name: {_asked(q.model_dump()) for q in task.test} for task in stream}
    for folder in place.task_folders():
        said: dict[str, set[tuple[str, ...]]] = {}
        for row in read_jsonl(folder / "answers.jsonl"):
            said.setdefault(row["task"], set()).add(_asked(row))
        for name, questions in said.items():
            if name in asked and asked[name] != questions:
                _refuse_exam(place, name, folder)
    for index, (name, task) in enumerate(zip(place.learned(), stream, strict=False), 1):
        # what an answer is worth, answers alone do not show
        if _scored(_examined(place, index, name)) != _scored(task.test):
            _refuse_exam(place, name, place.folder_of(index, name))


def same_learned(place: LearnerFolder, task: Task) -> None:
    """Raise `StateError` where the learned task called as `task` is had other rows or another exam."""
    index = place.learned().index(task.name) + 1
    record = read_json(place.folder_of(index, task.name) / "record.json")
    if record.get("rows", mark := fingerprint(task.train)) != mark:
        raise StateError(
            f"{place.path} has learned a task {task.name!r} from other rows.",
            cure="Give the new rows another name.",
        )
    if fingerprint(_examined(place, index, task.name)) != fingerprint(task.test):
        raise StateError(
            f"{place.path} has learned {task.name!r} and was examined on it by another exam, or another scorer.",
            cure="Ask as it was asked then, or give the task another name.",
        )


def _asked(row: dict[str, Any]) -> tuple[str, ...]:
    return row["id"], row.get("system", ""), row["prompt"], row["reference"]


def _scored(questions: Iterable[Question]) -> set[tuple[str, ...]]:
    return {(question.id, question.scorer, question.group) for question in questions}


def _examined(place: LearnerFolder, index: int, name: str) -> list[Question]:
    path = place.folder_of(index, name) / "questions.jsonl"
    return [Question.model_validate(row) for row in read_jsonl(path)]


def _refuse_exam(place: LearnerFolder, name: str, folder: Path) -> None:
    raise StateError(
        f"The exam of task {name!r} changed since {place.path} was examined ({folder.name}).",
        cure="Use another folder, or examine all anew: Learner.open(FOLDER).evaluate(STREAM).",
    )


def fingerprint(*parts: Iterable[Record]) -> str:
    """A short hash of rows, the same for the same rows in the same order."""
    rows = [row.model_dump(mode="json") for part in parts for row in part]
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()[:16]
