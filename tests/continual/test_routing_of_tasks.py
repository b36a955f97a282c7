"""A learner with routers writes, after every task, which experts answered for which task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_school as school

from mezzofanti.continual import AdapterSettings, Learner
from mezzofanti.continual.methods import create
from mezzofanti.files import read_json, read_jsonl

Learned = Callable[[str], Learner]


def test_every_task_so_far_is_measured(learned: Learned) -> None:
    folders = learned("malora").folder.task_folders()
    for index, folder in enumerate(folders):
        path = folder / "routing.json"
        if index == 0:
            assert not path.exists()
            continue
        groups = read_json(path)["groups"]
        assert [group["task"] for group in groups] == ["one", "two", "three"][:index]
        for group in groups:
            assert group["rows"] > 0
            assert 0 <= group["routing_entropy"] <= 1
            assert all(sum(load) == pytest.approx(1, abs=1e-3) for load in group["load"].values())


def test_the_training_log_carries_it(learned: Learned) -> None:
    log = [row for row in read_jsonl(learned("malora").folder.path / "metrics.jsonl") if "loss" in row]
    assert log
    assert all("routing_entropy" in row for row in log)


def test_an_adapter_without_routers_writes_none(learned: Learned) -> None:
    folder = learned("recurrent-kif").folder.path
    assert not list(folder.glob("tasks/*/routing.json"))
    assert not any("routing_entropy" in row for row in read_jsonl(folder / "metrics.jsonl"))


def test_molora_learns_and_is_opened_again(school_base: Path, tmp_path: Path) -> None:
    adapter = AdapterSettings(type="molora", r=4, lora_alpha=16, num_experts=2, top_k=1)
    settings = {"base": school_base, "adapter": adapter, "training": school.TRAINING}
    learner = Learner.open(tmp_path, method=create({"type": "sequential"}), **settings)
    rows = learner.learn_stream(school.stream("one", "two"), until=1).rows
    again = Learner.open(tmp_path).learn_stream(school.stream("one", "two"))
    assert again.rows[:2] == rows
    assert len(again.rows) == 3
    (first,) = read_json(learner.folder.task_folders()[1] / "routing.json")["groups"]
    assert all(len(load) == 2 for load in first["load"].values())
