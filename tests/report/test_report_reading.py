"""A learner's folder is read as it is; what is absent is empty, what is broken is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mezzofanti.errors import ConfigurationError, DataError
from mezzofanti.report.reading import read_learner, read_learners

Maker = Callable[..., Path]


def test_a_whole_folder_is_read(learner: Maker) -> None:
    reading = read_learner(learner("replay"))
    assert (reading.method, reading.adapter, reading.seed) == ("replay", "lora", 0)
    assert reading.finished
    assert reading.rows[1] == (0.93, 0.03, 0)
    assert [len(exam) for exam in reading.exams] == [96] * 4
    assert reading.history[2].task == "spanish"
    assert reading.samples["french"][0].messages[0]["content"] == "Écris 202 en lettres."
    assert reading.memory == {"english": 60, "french": 60, "spanish": 60}
    assert reading.settings["base"]["license"] == "Apache-2.0"


def test_a_running_learner_has_fewer_rows(learner: Maker) -> None:
    reading = read_learner(learner("replay", done=1))
    assert reading.done == 1
    assert not reading.finished
    assert reading.samples["spanish"] == ()


def test_only_the_matrix_is_needed(learner: Maker, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "matrix.json").write_bytes((learner("joint") / "matrix.json").read_bytes())
    reading = read_learner(bare)
    assert reading.exams == ((), (), (), ())
    assert reading.settings == {}


def test_a_folder_without_matrix_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no matrix\.json.*mezzo learn"):
        read_learner(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "has schema 2"),
        ({"rows": [[0, 0]]}, "do not fit together"),
        ({"rows": []}, "do not fit together"),
        ({"questions": [30]}, "do not fit together"),
        ({"rows": "none"}, "rows"),
    ],
)
def test_a_matrix_that_does_not_fit_is_refused(
    learner: Maker, change: dict[str, object], message: str
) -> None:
    folder = learner("replay")
    matrix = json.loads((folder / "matrix.json").read_text("utf-8"))
    (folder / "matrix.json").write_text(json.dumps({**matrix, **change}), "utf-8")
    with pytest.raises(DataError, match=message):
        read_learner(folder)


def test_a_broken_answer_is_named_by_file_and_row(learner: Maker) -> None:
    folder = learner("replay")
    path = folder / "tasks" / "01-english" / "answers.jsonl"
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([lines[0], '{"task": "english"}', *lines[2:]]), "utf-8")
    with pytest.raises(DataError, match=r"answers\.jsonl, row 2: id"):
        read_learner(folder)


def test_learners_of_which_some_learned_more_are_cut_to_what_all_have(learner: Maker) -> None:
    rows = [[0, 0], [0.9, 0], [0.8, 0.5]]
    readings = read_learners(
        [learner("sequential"), learner("replay", rows=rows, tasks=("english", "french"))]
    )
    whole, other = read_learner(learner("sequential")), readings[1]
    cut = readings[0]
    assert (cut.tasks, cut.beyond) == (("english", "french"), ("spanish",))
    assert cut.rows == tuple(row[:2] for row in whole.rows[:3])
    assert cut.finished
    assert [row.task for row in cut.history] == ["english", "french"]
    assert [len(exam) for exam in cut.exams] == [64] * 3
    assert (list(cut.samples), list(cut.memory)) == (["english", "french"], ["english", "french"])
    assert (other.tasks, other.beyond) == (("english", "french"), ())


def test_learners_of_other_tasks_are_not_compared(learner: Maker) -> None:
    other = learner("replay", rows=[[0, 0], [0.9, 0]], tasks=("english", "spanish"))
    with pytest.raises(ConfigurationError, match="same tasks in the same order"):
        read_learners([learner("sequential"), other])


def test_no_folder_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one"):
        read_learners([])
