"""The Long Sequence loader: on small files written here, and on the real benchmark where it is present."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from mezzofanti.errors import ConfigurationError, DataError
from mezzofanti.evaluation.scorers import SCORERS
from mezzofanti.evaluation.suites.long_sequence import (
    LEAKY,
    ORDERS,
    TASKS,
    load_task,
    load_validation,
    order,
)
from mezzofanti.records import read_samples, write_samples


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("rte", "agnews"):
        (tmp_path / name).mkdir()
        for split, count in (("train", 200), ("dev", 20), ("test", 30)):
            rows = [
                {
                    "instruction": "Which? Option: a, b.\n",
                    "input": f"{split} {number}{'.' * number}\nAnswer:",
                    "output": "ab"[number % 2],
                }
                for number in range(count)
            ]
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (tmp_path / name / f"{split}.jsonl").write_text(text, "utf-8")
    return tmp_path


def test_orders_are_the_papers() -> None:
    assert [len(order(number)) for number in sorted(ORDERS)] == [15, 15, 15, 4, 4, 4]
    assert all(sorted(ORDERS[number]) == list(TASKS) for number in (1, 2, 3))
    assert order(1)[:3] == ("mnli", "cb", "wic")
    assert order(3)[-3:] == ("multirc", "boolqa", "wic")
    assert order(6) == ("yahoo", "amazon", "agnews", "dbpedia")
    with pytest.raises(ConfigurationError, match="no task order 7"):
        order(7)


def test_a_row_becomes_a_sample_and_a_question(folder: Path, tmp_path: Path) -> None:
    samples, questions = load_task(folder, "agnews")
    assert (len(samples), len(questions)) == (200, 30)
    sample = next(sample for sample in samples if sample.id == "long-sequence/agnews/train/2")
    assert [message.role for message in sample.messages] == ["user", "assistant"]
    assert sample.messages[0].content == "Which? Option: a, b.\ntrain 1.\nAnswer:"
    assert sample.messages[1].content == "b"
    assert "Recurrent_KIF" in sample.lineage.url
    question = questions[0]
    assert (question.scorer, question.group, question.language) == ("label", "derivable", "en")
    assert SCORERS[question.scorer](f" {question.reference.upper()}\n", question.reference) == 1.0
    write_samples(tmp_path / "rows.parquet", samples)
    assert read_samples(tmp_path / "rows.parquet") == samples


def test_the_exam_is_the_same_for_every_seed_and_draws_are_nested(folder: Path) -> None:
    first, exam = load_task(folder, "agnews", train_rows=50, test_rows=10, seed=0)
    second, same_exam = load_task(folder, "agnews", train_rows=50, test_rows=10, seed=1)
    more, longer_exam = load_task(folder, "agnews", train_rows=80, test_rows=20, seed=0)
    assert exam == same_exam == longer_exam[:10]
    assert first == more[:50]
    assert first != second
    assert load_task(folder, "agnews", train_rows=0, test_rows=0) == ([], [])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_validation_rows_of_leaky_tasks_come_from_training_and_leave_it(folder: Path, seed: int) -> None:
    samples, questions = load_task(folder, "rte", seed=seed)
    validation = load_validation(folder, "rte")
    taught = {sample.messages[0].content for sample in samples}
    held = {question.prompt for question in validation}
    assert len(taught) + len(held) == 200
    assert 5 <= len(held) <= 40
    assert not taught & held
    assert all("train" in prompt for prompt in held)
    assert not held & {question.prompt for question in questions}
    assert load_validation(folder, "rte", rows=3) == validation[:3]


def test_validation_rows_of_other_tasks_are_the_development_rows(folder: Path) -> None:
    assert {question.id.split("/")[2] for question in load_validation(folder, "agnews")} == {"dev"}
    assert len(load_task(folder, "agnews")[0]) == 200


def test_long_rows_are_left_out_and_counted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        samples, questions = load_task(folder, "agnews", max_characters=60)
    assert all(len(sample.messages[0].content) <= 60 for sample in samples)
    assert all(len(question.prompt) <= 60 for question in questions)
    left_out = 200 - len(samples)
    assert left_out > 0
    assert f"agnews, train: {left_out} of 200 rows left out" in caplog.text
    with pytest.raises(ConfigurationError, match=r"none of 200 rows.*max_characters to \d+"):
        load_task(folder, "agnews", max_characters=10)


def test_fewer_rows_than_asked_for_are_said(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_task(folder, "agnews", train_rows=500)
    assert "500 rows asked for, 200 there are" in caplog.text


def test_mistakes_are_named(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no Long Sequence task 'agnew'. Did you mean 'agnews'"):
        load_task(folder, "agnew")
    with pytest.raises(ConfigurationError, match="cannot be drawn"):
        load_task(folder, "agnews", train_rows=-1)
    with pytest.raises(DataError, match=r"not in .*there is no .*mnli/train.jsonl.*Recurrent_KIF"):
        load_task(folder, "mnli")
    path = folder / "agnews" / "test.jsonl"
    path.write_text('{"instruction": "Which?", "input": "x"}\n', "utf-8")
    with pytest.raises(DataError, match=r"test.jsonl, row 1: not a row"):
        load_task(folder, "agnews")
    path.write_text("\n", "utf-8")
    with pytest.raises(DataError, match="has no rows"):
        load_task(folder, "agnews")


@pytest.mark.parametrize("name", TASKS)
def test_the_real_benchmark(shared_data: Path, name: str) -> None:
    real = shared_data / "long_sequence"
    if not real.is_dir():
        pytest.skip("benchmark data absent: long_sequence")
    samples, questions = load_task(real, name)
    validation = load_validation(real, name)
    taught = {sample.messages[0].content for sample in samples}
    examined = {question.prompt for question in questions}
    held = {question.prompt for question in validation}
    assert not taught & examined
    assert not taught & held
    assert not held & examined
    assert len(held) >= 14
    assert {sample.messages[1].content for sample in samples} == {
        question.reference for question in questions
    }
    options = samples[0].messages[0].content.split("Option: ")[1].split(".\n")[0].split(", ")
    assert {sample.messages[1].content for sample in samples} == set(options)
    if name not in LEAKY:
        assert len(samples) == 1000
