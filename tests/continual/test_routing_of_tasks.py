"""A learner with routers writes, after every task, which experts answered for which task."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mezzofanti.continual import Learner
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
