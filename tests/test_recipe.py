"""The recipe of a learner: what it takes, what it refuses, and where its paths begin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from benchmarks.adapters.reproduction import Reproduction

from mezzofanti.corpus import Recipe
from mezzofanti.curvature.problem import read_problem
from mezzofanti.errors import ConfigurationError, DataError, MezzofantiError
from mezzofanti.recipe import LearnerRecipe

RECIPES = Path(__file__).parents[1] / "recipes"
FRENCH = {"source": "almanac", "language": "fr", "train_rows": 8, "questions": 2}


def rows(path: Path, count: int, **more: Any) -> Path:
    lines = [
        {
            "messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": f"{n}!"}],
            **more,
        }
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def recipe(place: Path, /, **settings: Any) -> Path:
    path = place / "r.yaml"
    path.write_text(yaml.safe_dump({"tasks": [FRENCH], **settings}, allow_unicode=True))
    return path


def refused(path: Path) -> MezzofantiError:
    with pytest.raises(MezzofantiError) as caught:
        LearnerRecipe.load(path).stream()
    assert caught.value.cure
    assert "\n" not in str(caught.value)
    return caught.value


def test_every_ready_recipe_is_read() -> None:
    kinds = {"corpus": Recipe.load, "curvature": read_problem, "reproduce": Reproduction.load}
    paths = sorted(RECIPES.rglob("*.yaml"))
    assert len(paths) >= 3
    for path in paths:
        assert kinds.get(path.parent.name, LearnerRecipe.load)(path)


def test_defaults_are_those_of_the_package(tmp_path: Path) -> None:
    read = LearnerRecipe.load(recipe(tmp_path))
    assert (read.base, read.seed, read.memory_rows) == ("smollm2-135m", 0, 60)
    assert read.method == {"type": "recurrent-kif"}
    assert read.model_dump().keys() == {
        "base",
        "seed",
        "method",
        "adapter",
        "training",
        "memory_rows",
        "tasks",
    }


def test_a_stream_has_the_tasks_in_order_under_their_names(tmp_path: Path) -> None:
    rows(tmp_path / "mine.jsonl", 9)
    tasks = [
        FRENCH,
        {**FRENCH, "language": "en", "name": "again", "unseen_phrasings": 2, "recall": 1},
        {"source": "jsonl", "name": "mine", "train": "mine.jsonl", "questions": 3, "scorer": "chrf"},
    ]
    stream = LearnerRecipe.load(recipe(tmp_path, tasks=tasks)).stream()
    assert stream.names == ["french", "again", "mine"]
    assert [(len(task.train), len(task.test)) for task in stream] == [(8, 2), (8, 5), (6, 3)]
    groups = [question.group for question in stream.tasks[1].test]
    assert groups == ["derivable"] * 2 + ["unseen-phrasing"] * 2 + ["recall"]
    assert {question.scorer for question in stream.tasks[2].test} == {"chrf"}


def test_rows_of_your_own_are_parted_by_the_seed_and_none_is_in_both(tmp_path: Path) -> None:
    rows(tmp_path / "mine.jsonl", 20)
    task = {"source": "jsonl", "name": "mine", "train": "mine.jsonl", "questions": 5}

    def parted(seed: int) -> tuple[list[str], list[str]]:
        one = LearnerRecipe.load(recipe(tmp_path, tasks=[task], seed=seed)).stream().tasks[0]
        return [row.messages[0].content for row in one.train], [question.prompt for question in one.test]

    train, test = parted(1)
    assert sorted(train + test) == sorted(f"{n}?" for n in range(20))
    assert parted(1) == (train, test)
    assert parted(2) != (train, test)


def test_a_test_file_of_your_own_is_asked_whole(tmp_path: Path) -> None:
    rows(tmp_path / "mine.jsonl", 4)
    rows(tmp_path / "exam.jsonl", 2, language="de")
    task = {"source": "jsonl", "name": "mine", "train": "mine.jsonl", "test": "exam.jsonl"}
    one = LearnerRecipe.load(recipe(tmp_path, tasks=[task])).stream().tasks[0]
    assert [row.messages[0].content for row in one.train] == ["2?", "3?"]
    assert [(q.prompt, q.reference, q.language) for q in one.test] == [("0?", "0!", "de"), ("1?", "1!", "de")]


def write(path: Path, *turns: tuple[str, ...]) -> None:
    """Rows of a user's own: (question, answer), or (system, question, answer)."""
    lines = []
    for said in turns:
        roles = ("system", "user", "assistant")[-len(said) :]
        messages = [{"role": role, "content": text} for role, text in zip(roles, said, strict=True)]
        lines.append(json.dumps({"messages": messages}) + "\n")
    path.write_text("".join(lines))


def test_what_the_exam_asks_is_not_taught_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "mine.jsonl", *[(f" {n % 6}  ?", f"{n}!") for n in range(18)])
    task = {"source": "jsonl", "name": "mine", "train": "mine.jsonl", "questions": 3}
    one = LearnerRecipe.load(recipe(tmp_path, tasks=[task])).stream().tasks[0]
    taught = {row.messages[0].content for row in one.train}
    asked = {question.prompt for question in one.test}
    assert not taught & asked
    assert len(one.train) == 18 - 3 * len(asked)
    dropped = 15 - len(one.train)
    assert dropped > 0
    assert [record.getMessage() for record in caplog.records if record.name.startswith("mezzofanti")] == [
        f"task mine: {dropped} of 15 training rows ask a question of the exam and are left out"
    ]


def test_the_same_question_after_another_system_turn_is_another_question(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", *[(f"Text {n}.", "What does it say?", f"{n}") for n in range(6)])
    task = {"source": "jsonl", "name": "mine", "train": "mine.jsonl", "questions": 2}
    one = LearnerRecipe.load(recipe(tmp_path, tasks=[task])).stream().tasks[0]
    assert len(one.train) == 4
    assert {(q.system, q.prompt, q.reference) for q in one.test} < {
        (f"Text {n}.", "What does it say?", f"{n}") for n in range(6)
    }


def test_a_file_that_asks_one_question_only_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", *[("Why?", "So.")] * 4)
    task = {"source": "jsonl", "name": "mine", "train": "mine.jsonl", "questions": 1}
    assert "asks a question of its exam" in str(refused(recipe(tmp_path, tasks=[task])))


def test_an_answer_that_its_scorer_cannot_take_is_named_before_any_lesson(tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", *[(f"{n}?", "many") for n in range(4)])
    task = {"source": "jsonl", "name": "mine", "train": "mine.jsonl", "questions": 1, "scorer": "number"}
    assert "has no number" in str(refused(recipe(tmp_path, tasks=[task])))


def test_paths_begin_at_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "base").mkdir()
    rows(tmp_path / "mine.jsonl", 4)
    task = {"source": "jsonl", "name": "mine", "train": "mine.jsonl", "questions": 1}
    path = recipe(tmp_path, tasks=[task], base="base")
    monkeypatch.chdir(tmp_path.parent)
    read = LearnerRecipe.load(path.relative_to(tmp_path.parent))
    assert read.base_found == str(tmp_path / "base")
    assert read.stream().names == ["mine"]
    assert LearnerRecipe.load(recipe(tmp_path)).base_found == "smollm2-135m"
    assert LearnerRecipe.load(recipe(tmp_path, base="some/where")).base_found == "some/where"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"sead": 1}, "unknown key 'sead'. Did you mean 'seed'?"),
        ({"folder": "x"}, "unknown key 'folder'"),
        ({"adapter": {"rank": 8}}, "unknown key 'adapter.rank'"),
        ({"adapter": {"type": "lorra"}}, "'adapter.type': Input should be 'lora', 'malora' or 'molora'"),
        ({"adapter": {"type": "malora", "top_k": 9}}, "top_k (9) is above num_experts (4)"),
        ({"adapter": {"type": "molora", "top_k": 9}}, "top_k (9) is above num_experts (4)"),
        ({"adapter": {"type": "malora", "r": 16}}, "r (16) is above shared_rank (12)"),
        ({"training": {"max_step": 8}}, "unknown key 'training.max_step'. Did you mean 'max_steps'?"),
        (
            {"training": {"lr_scheduler_type": "lineer"}},
            "'training.lr_scheduler_type': Input should be 'linear'",
        ),
        ({"training": {"learning_rate": 0}}, "'training.learning_rate': Input should be greater than 0"),
        ({"tasks": [{**FRENCH, "langauge": "fr"}]}, "'tasks.0.almanac.langauge'. Did you mean 'language'?"),
        ({"tasks": [{**FRENCH, "train_row": 8}]}, "Did you mean 'train_rows'?"),
        ({"tasks": [{"source": "json", "name": "x", "train": "y"}]}, "no kind 'json'. Did you mean 'jsonl'?"),
        ({"tasks": [{"language": "fr"}]}, "'tasks.0' does not say its 'source'"),
        ({"tasks": [{"source": "jsonl", "name": "x"}]}, "'tasks.0.jsonl.train' is missing"),
        ({"tasks": []}, "'tasks'"),
        ({"memory_rows": -1}, "'memory_rows'"),
        ({"tasks": [{**FRENCH, "language": "fra"}]}, "'fr'"),
        ({"tasks": [{**FRENCH, "skills": ["cardinals"]}]}, "'cardinal'"),
        ({"tasks": [FRENCH, FRENCH]}, "Two tasks are called 'french'"),
        ({"tasks": [{**FRENCH, "name": "a/b"}]}, "cannot be called 'a/b'"),
        ({"tasks": [{"source": "jsonl", "name": "x", "train": "gone.jsonl"}]}, "There is no file"),
        ({"tasks": [{"source": "long-sequence", "task": "yelp", "folder": "gone"}]}, "gone"),
        ({"tasks": [{"source": "wikipedia-leads", "language": "en", "folder": "gone"}]}, "gone"),
    ],
)
def test_a_mistake_is_one_line_with_its_cure(settings: dict[str, Any], says: str, tmp_path: Path) -> None:
    assert says in str(refused(recipe(tmp_path, **settings)))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "has no rows"),
        (
            '{"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]}\n',
            "lower",
        ),
        ('{"prompt": "?"}\n', "there is no 'messages' field"),
        ('{"messages": [{"role": "bot", "content": "?"}]}\n', "row 1"),
        ("{not json\n", "line 1"),
        ('{"messages": [{"role": "user", "content": "?"}]}\n' * 3, "no user and assistant turn"),
    ],
)
def test_bad_rows_are_named(content: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text(content)
    task = {"source": "jsonl", "name": "mine", "train": "mine.jsonl", "questions": 1}
    error = refused(recipe(tmp_path, tasks=[task]))
    assert isinstance(error, DataError)
    assert says in str(error)


def test_a_recipe_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no recipe .*gone\.yaml"):
        LearnerRecipe.load(tmp_path / "gone.yaml")
