"""Examined anew, a learner shows the old exam or the new one, never a part of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_school as school

from mezzofanti.continual import Learner, LearnerFolder, TaskStream
from mezzofanti.continual import reexamination as anew
from mezzofanti.continual.agreement import fingerprint
from mezzofanti.errors import StateError
from mezzofanti.files import read_json

Learned = Callable[[str], Learner]
SHORTER = TaskStream([school.task("one", questions=4), *school.stream("two", "three")])


def contents(folder: LearnerFolder) -> dict[Path, bytes]:
    """What the exams and what is derived from them hold."""
    return {p: p.read_bytes() for p in folder.path.rglob("*.json*") if "work" not in p.parts}


def test_a_new_exam_is_the_tasks_exam_from_then_on(copied: Learned) -> None:
    learner = copied("sequential")
    assert learner.evaluate(SHORTER).questions == [4, 6, 6]
    record = read_json(learner.folder.folder_of(1, "one") / "record.json")
    assert record["exam"] == fingerprint(SHORTER.tasks[0].test)
    assert record["rows"] == fingerprint(SHORTER.tasks[0].train)
    assert learner.folder.history()[0]["exam"] == record["exam"]
    assert learner.learn(SHORTER.tasks[0]).questions == [4, 6, 6]
    with pytest.raises(StateError, match="another exam"):
        learner.learn(school.task("one"))
    assert not learner.folder.exam.exists()


def test_broken_off_the_old_exam_stands_and_the_same_call_goes_on(copied: Learned) -> None:
    learner, asked = copied("sequential"), []

    def break_off(what: str, done: int, total: int) -> None:
        asked.append(what)
        if "after two" in what:
            raise KeyboardInterrupt

    before = contents(learner.folder)
    learner.progress = break_off
    with pytest.raises(KeyboardInterrupt):
        learner.evaluate(SHORTER)
    assert contents(learner.folder) == before
    learner.learn_stream(school.stream())
    assert contents(learner.folder) == before

    with pytest.raises(KeyboardInterrupt):
        learner.evaluate(SHORTER)
    asked.clear()
    learner.progress = lambda what, done, total: asked.append(what)
    matrix = learner.evaluate(SHORTER)
    assert {what.split(", ")[1] for what in asked} == {"exam after two", "exam after three"}
    assert matrix.questions == [4, 6, 6]
    assert learner.learn_stream(SHORTER).rows == matrix.rows


def test_another_exam_does_not_go_on_from_a_broken_off_one(copied: Learned) -> None:
    learner = copied("sequential")

    def break_off(what: str, done: int, total: int) -> None:
        if "after two" in what:
            raise KeyboardInterrupt

    learner.progress = break_off
    with pytest.raises(KeyboardInterrupt):
        learner.evaluate(SHORTER)
    learner.progress = None
    rows = learner.matrix.rows
    assert learner.evaluate(school.stream()).rows == rows
    assert learner.learn_stream(school.stream()).questions == [6, 6, 6]


def test_killed_while_the_new_takes_the_olds_place_the_next_call_ends_it(
    copied: Learned, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = copied("sequential")

    def half(place: LearnerFolder) -> None:
        if not (place.exam / "whole.json").is_file():
            return
        first = min(place.exam.glob("*-*/*.json*"))
        first.replace(place.path / "tasks" / first.parent.name / first.name)
        raise KeyboardInterrupt

    monkeypatch.setattr(anew, "finish", half)
    with pytest.raises(KeyboardInterrupt):
        learner.evaluate(SHORTER)
    monkeypatch.undo()
    again = Learner.open(learner.folder.path)
    assert again.learn_stream(SHORTER).questions == [4, 6, 6]
    assert len(again.stream_learned().tasks[0].test) == 4
    assert not again.folder.exam.exists()


def test_another_scorer_is_another_exam(copied: Learned) -> None:
    learner = copied("sequential")
    asked = [question.model_copy(update={"scorer": "label"}) for question in school.task("one").test]
    first = school.task("one")
    other = type(first)("one", first.train, tuple(asked))
    with pytest.raises(StateError, match="exam of task 'one' changed"):
        learner.learn_stream(TaskStream([other, *school.stream("two", "three")]))
    with pytest.raises(StateError, match="another scorer"):
        learner.learn(other)
