"""Tasks and streams: what they hold, and what they refuse."""

from __future__ import annotations

import pytest
import tiny_school as school

from mezzofanti.continual import Task, TaskStream
from mezzofanti.errors import ConfigurationError, DataError


def test_a_stream_keeps_its_order() -> None:
    stream = school.stream("two", "one", "three")
    assert stream.names == [task.name for task in stream] == ["two", "one", "three"]
    assert len(stream) == 3
    assert len(TaskStream([])) == 0


def test_a_task_needs_rows_and_questions() -> None:
    whole = school.task("one")
    with pytest.raises(DataError, match="no training rows"):
        Task(name="one", train=(), test=whole.test)
    with pytest.raises(DataError, match="no exam questions"):
        Task(name="one", train=whole.train, test=())
    with pytest.raises(DataError, match="something else than training rows"):
        Task(name="one", train=whole.test, test=whole.test)  # type: ignore[arg-type]


def test_a_task_takes_rows_from_anything_in_order() -> None:
    whole = school.task("one")
    assert Task("one", iter(whole.train), list(whole.test)) == whole  # type: ignore[arg-type]


def test_two_tasks_have_two_names() -> None:
    with pytest.raises(ConfigurationError, match="Two tasks are called 'one'"):
        school.stream("one", "two", "one")


@pytest.mark.parametrize("name", ["", "  ", "a/b", "..\\up", "../up", "line\nbreak", "nul\0", "x" * 101])
def test_a_name_no_folder_can_have_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="folders are called after it"):
        school.task(name, answer="a")


@pytest.mark.parametrize("name", ["english", "topics-en", "Été 2031", "日本語", "a.b", "07"])
def test_ordinary_names_are_taken(name: str) -> None:
    assert school.task(name, answer="a").name == name
