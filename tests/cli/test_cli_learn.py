"""`mezzo learn`: whom rows of your own teach, how they are scored, and what is said of rows that were left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mezzofanti import schooling
from mezzofanti.continual import AccuracyMatrix, Task
from mezzofanti.files import write_json, write_jsonl


class Pupil:
    """Stands where a learner stands; it is not taught, and keeps what it was given."""

    given: Task

    @classmethod
    def open(cls, folder: Path, **settings: Any) -> type[Pupil]:
        rows, tasks = [[0.0], [1.0]], ["mine"]
        content = {"method": "replay", "tasks": tasks, "questions": [1], "rows": rows}
        write_json(folder / "matrix.json", {"schema": 1, **content})
        (folder / "learner.yaml").write_text(yaml.safe_dump({"schema": 1}))
        dropped = {"task": "mine", "dropped_rows": 1234, "dropped_memory_rows": 5}
        write_jsonl(folder / "history.jsonl", [dropped])
        return cls

    @classmethod
    def learn(cls, task: Task) -> AccuracyMatrix:
        cls.given = task
        return AccuracyMatrix([task.name], [1], [[0.0], [1.0]])


@pytest.fixture
def mezzo(mezzo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`mezzo("learn", ...)` in a folder with rows and a recipe: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(schooling, "Learner", Pupil)
    said = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "so\nit is"}]
    rows = [{"messages": [{**said[0], "content": f"{n}?"}, said[1]]} for n in range(5)]
    Path("mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("school.yaml").write_text("tasks: [{source: almanac, language: fr}]")
    return mezzo


@pytest.mark.parametrize(("option", "scorer"), [((), "exact"), (("--scorer", "chrf"), "chrf")])
def test_rows_of_your_own_are_scored_as_you_say(mezzo: Any, option: tuple[str, ...], scorer: str) -> None:
    code, _, told = mezzo("learn", "mine.jsonl", *option)
    assert code == 0, told
    assert [question.scorer for question in Pupil.given.test] == [scorer]


def test_a_new_learner_is_announced_and_a_known_one_is_not(mezzo: Any) -> None:
    line = "Beginning a new learner in learners/mine on smollm2-135m."
    assert line in mezzo("learn", "mine.jsonl")[2].splitlines()
    code, _, told = mezzo("learn", "mine.jsonl")
    assert (code, line in told) == (0, False)
    code, _, told = mezzo("learn", "mine.jsonl", "--learner", "learners/mine")
    assert (code, line in told) == (0, False)


def test_a_mistyped_learner_is_not_begun(mezzo: Any) -> None:
    code, said, told = mezzo("learn", "mine.jsonl", "--learner", "learners/mime")
    assert (code, said, len(told.splitlines())) == (2, "", 1)
    assert "There is no learner in learners/mime. Check --learner; to begin one: mezzo learn RECIPE" in told
    assert "leave --learner out" in told
    assert not Path("learners").exists()


def test_an_unknown_scorer_and_a_recipe_with_one_are_refused(mezzo: Any) -> None:
    code, said, told = mezzo("learn", "mine.jsonl", "--scorer", "crf")
    assert (code, said) == (2, "")
    assert "no scorer 'crf'. Did you mean 'chrf'?" in told
    code, said, told = mezzo("learn", "school.yaml", "--scorer", "chrf")
    assert (code, said) == (2, "")
    assert "school.yaml is a recipe. Write 'scorer:' into its task." in told


def test_what_was_left_out_is_said_at_the_end(mezzo: Any) -> None:
    code, said, _ = mezzo("learn", "mine.jsonl")
    assert code == 0
    assert said.strip().splitlines()[-5:-2] == [
        "learned   mine",
        "left out  rows longer than max_length, by task learned: mine 1,234",
        "left out  remembered rows longer than max_length, by task learned: mine 5",
    ]
