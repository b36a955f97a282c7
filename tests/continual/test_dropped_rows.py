"""What is too long to be learned is counted, shown, and not remembered."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_school as school

from mezzofanti.continual import Task, TaskStream
from mezzofanti.files import read_jsonl, write_jsonl
from mezzofanti.report import write_report
from mezzofanti.report.terminal import left_out_lines

FEW = school.TRAINING.model_copy(update={"max_steps": 2})


def with_long_rows(name: str, count: int) -> Task:
    """A task of eight rows that fit and `count` that do not."""
    known = school.task(name, rows=8, questions=2)
    long = [school.sample(n, name + " " + "x" * 80, "a") for n in range(50, 50 + count)]
    return Task(name, (*long, *known.train), known.test)


def test_long_rows_are_counted_shown_and_not_remembered(school_base: Path, tmp_path: Path) -> None:
    stream = TaskStream([with_long_rows("one", 3), school.task("two", rows=8, questions=2)])
    learner = school.learner(tmp_path / "learner", school_base, "replay", training=FEW, memory_rows=11)
    learner.learn_stream(stream, until=1)
    assert learner.folder.history()[0]["dropped_rows"] == 3
    path = tmp_path / "learner" / "memory" / "01-one.jsonl"
    remembered = list(read_jsonl(path))
    assert sorted(row["id"] for row in remembered) == sorted(row.id for row in stream.tasks[0].train[3:])
    assert left_out_lines(learner.folder.path) == ["rows longer than max_length, by task learned: one 3"]

    # as an earlier version would have remembered it
    write_jsonl(path, [*remembered, stream.tasks[0].train[0].model_dump(mode="json")])
    learner.learn_stream(stream)
    last = learner.folder.history()[1]
    assert (last["dropped_rows"], last["dropped_memory_rows"], last["memory_rows"]) == (0, 1, 8)
    remembered_line = "remembered rows longer than max_length, by task learned: two 1"
    assert left_out_lines(learner.folder.path)[1:] == [remembered_line]
    write_report([learner.folder.path], tmp_path / "report.html")
    assert f"Left out by Replay: {remembered_line}." in (tmp_path / "report.html").read_text("utf-8")


def test_a_memory_of_long_rows_alone_does_not_stop_the_lessons(school_base: Path, tmp_path: Path) -> None:
    stream = school.stream("one", "two")
    learner = school.learner(tmp_path / "learner", school_base, "replay", training=FEW)
    learner.learn_stream(stream, until=1)
    long = with_long_rows("one", 2).train[:2]
    path = tmp_path / "learner" / "memory" / "01-one.jsonl"
    write_jsonl(path, [row.model_dump(mode="json") for row in long])
    learner.learn_stream(stream)
    last = learner.folder.history()[1]
    assert (last["dropped_memory_rows"], last["memory_rows"]) == (2, 0)
    assert left_out_lines(learner.folder.path)[0].startswith("remembered rows")


def test_where_everything_fits_nothing_is_said(school_base: Path, tmp_path: Path) -> None:
    learner = school.learner(tmp_path / "learner", school_base, "sequential", training=FEW)
    learner.learn_stream(school.stream("one"))
    assert left_out_lines(learner.folder.path) == []
    write_report([learner.folder.path], tmp_path / "report.html")
    assert "Left out" not in (tmp_path / "report.html").read_text("utf-8")


def test_right_answers_too_long_to_be_given_are_said_once(
    school_base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = school.task("one", rows=8, questions=2, answer="longer than eight")
    learner = school.learner(tmp_path / "learner", school_base, "sequential", training=FEW)
    learner.learn_stream(TaskStream([known]))
    said = [record.getMessage() for record in caplog.records if record.name.startswith("mezzofanti")]
    assert said == [
        "exam of one: 2 of 2 right answers are longer than max_new_tokens=8 and cannot be given whole"
    ]
