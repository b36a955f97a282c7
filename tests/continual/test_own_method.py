"""A learner uses the method that it is given, not another one made from its settings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_school as school
import yaml

from mezzofanti.continual import Learner, Memory
from mezzofanti.continual.memory import Row
from mezzofanti.continual.methods import Method, RecurrentKIF, Replay
from mezzofanti.continual.methods.base import Plan
from mezzofanti.errors import ConfigurationError, StateError

FEW = school.TRAINING.model_copy(update={"max_steps": 4})


def begin(folder: Path, base: Path, method: Method) -> Learner:
    return Learner.open(folder, base=base, method=method, adapter=school.ADAPTER, training=FEW, memory_rows=6)


class Backwards(Method):
    """Plain training in the other direction; counts what it is asked."""

    name = "backwards"

    def __init__(self, step: int = 1) -> None:
        self.step = step
        self.asked = 0

    @property
    def settings(self) -> dict[str, Any]:
        return {"type": self.name, "step": self.step}

    def training_data(self, rows: Sequence[Row], memory: Sequence[Row], plan: Plan) -> list[list[Row]]:
        self.asked += 1
        return super().training_data(rows, memory, plan)[:: -self.step]


class Nameless(Method):
    pass


class Borrowed(Replay):
    pass


class Rough(Backwards):
    name = "rough"

    @property
    def settings(self) -> dict[str, Any]:
        return {"type": self.name, "where": Path("x")}


class Pairs(Backwards):
    name = "pairs"

    @property
    def settings(self) -> dict[str, Any]:
        return {"type": self.name, "pair": (1, 2)}


def test_a_method_of_ones_own_is_used_and_given_again(school_base: Path, tmp_path: Path) -> None:
    folder, mine = tmp_path / "learner", Backwards()
    learner = begin(folder, school_base, mine)
    learner.learn_stream(school.stream("one", "two"), until=1)
    assert (learner.method, mine.asked) == (mine, 1)
    with pytest.raises(StateError, match=r"'backwards'.*method="):
        Learner.open(folder)
    with pytest.raises(StateError, match="begun with method"):
        Learner.open(folder, method=Backwards(step=2))
    again = Backwards()
    Learner.open(folder, method=again).learn_stream(school.stream("one", "two"))
    assert (again.asked, Learner.open(folder, method=again).learned) == (1, ["one", "two"])
    fork = learner.fork(tmp_path / "fork")
    assert (fork.method, fork.learned) == (mine, ["one", "two"])


def test_recurrent_kif_keeps_what_was_hung_on_it(school_base: Path, tmp_path: Path) -> None:
    rounds: list[int] = []
    method = RecurrentKIF(inner_steps=4, outer_steps=1)
    method.on_round = lambda row: rounds.append(int(row["step"]))
    losses: list[float] = []
    plain = method.outer_loss

    def outer_loss(model: Any, batch: dict[str, Any]) -> Any:
        losses.append(1.0)
        return plain(model, batch)

    method.outer_loss = outer_loss
    kept = dict(vars(method))
    learner = begin(tmp_path / "learner", school_base, method)
    learner.learn_stream(school.stream("one", "two", "three"))
    assert rounds == [4, 4]
    assert len(losses) == 2
    names = ("memory", "task_name", "remembers", "on_round", "outer_loss")
    assert all(getattr(method, name) is kept[name] for name in names)
    assert len(method.memory) == 0
    assert [row["outer_steps"] for row in learner.folder.history()] == [0, 1, 1]


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (Nameless(), "Give the class a `name`"),
        (Borrowed(), "'replay', as a method of the package is"),
        (Rough(), "not plain values"),
        (Pairs(), "not plain values"),
    ],
    ids=["nameless", "borrowed", "a path", "a pair"],
)
def test_a_method_that_cannot_be_remembered_is_refused_at_once(
    method: Method, says: str, school_base: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Learner.open(tmp_path / "learner", base=school_base, method=method)
    assert not (tmp_path / "learner").exists()


def test_a_memory_of_the_methods_own_is_refused(school_base: Path, tmp_path: Path) -> None:
    filled = Memory()
    filled.add("earlier", [{"input_ids": [1], "labels": [1]}])
    for memory in (Memory(200, tmp_path / "m"), Memory(200), filled):
        with pytest.raises(ConfigurationError, match=f"memory_rows={memory.rows_per_task}"):
            Learner.open(tmp_path / "learner", base=school_base, method=RecurrentKIF(memory))
    assert not (tmp_path / "learner").exists()
    opened = Learner.open(
        tmp_path / "learner", base=school_base, method=RecurrentKIF(Memory(200)), memory_rows=200
    )
    assert opened.memory.rows_per_task == 200
    settings = yaml.safe_load((tmp_path / "learner" / "learner.yaml").read_text())
    assert (settings["memory_rows"], settings["method"]["type"]) == (200, "recurrent-kif")
