"""The batches a method trains on: how many new rows and old, in which order, and always the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzofanti.continual.methods import Joint, RecurrentKIF, Replay, Sequential, create
from mezzofanti.continual.methods.base import Plan, epochs
from mezzofanti.errors import ConfigurationError

NEW = [{"id": f"new-{n}"} for n in range(20)]
OLD = [{"id": f"old-{n}"} for n in range(7)]
PLAN = Plan(steps=16, batch_size=8, seed=3)


def ids(batch: list[Any]) -> list[str]:
    return [row["id"] for row in batch]


def test_each_batch_holds_new_rows_and_half_as_many_old_ones() -> None:
    batches = Replay().training_data(NEW, OLD, PLAN)
    assert len(batches) == 16
    assert all([i.split("-")[0] for i in ids(b)] == ["new"] * 8 + ["old"] * 4 for b in batches)


def test_replay_draws_as_many_old_rows_a_task_as_recurrent_kif() -> None:
    kif = RecurrentKIF()
    assert (kif.inner_steps, kif.outer_steps) == (8, 4)
    drawn = PLAN.steps // kif.inner_steps * kif.outer_steps * PLAN.batch_size
    batches = Replay().training_data(NEW, OLD, PLAN)
    assert sum(i.startswith("old") for b in batches for i in ids(b)) == drawn == 64


def test_old_rows_are_drawn_evenly_and_new_ones_as_without_a_memory() -> None:
    batches = Replay().training_data(NEW, OLD, PLAN)
    counts = Counter(i for b in batches for i in ids(b) if i.startswith("old"))
    assert set(counts.values()) == {64 // 7, 64 // 7 + 1}
    plain = Sequential().training_data(NEW, OLD, PLAN)
    assert [b[:8] for b in batches] == plain
    assert Replay().training_data(NEW, [], PLAN) == plain
    assert Replay(share=0).training_data(NEW, OLD, PLAN) == plain
    assert Joint().training_data(NEW, OLD, PLAN) == plain


def test_order_depends_on_the_seed_alone() -> None:
    again = Replay().training_data(list(NEW), list(OLD), PLAN)
    assert Replay().training_data(NEW, OLD, PLAN) == again
    other = Replay().training_data(NEW, OLD, Plan(steps=16, batch_size=8, seed=4))
    assert [ids(b)[:8] for b in other] != [ids(b)[:8] for b in again]
    assert [ids(b)[8:] for b in other] != [ids(b)[8:] for b in again]


@given(st.integers(1, 30), st.integers(0, 100), st.text(max_size=3))
def test_every_epoch_is_every_row_once(rows: int, count: int, seed: str) -> None:
    drawn = epochs([{"id": n} for n in range(rows)], count, seed=seed)
    assert len(drawn) == count
    for start in range(0, count, rows):
        epoch = [row["id"] for row in drawn[start : start + rows]]
        assert len(set(epoch)) == len(epoch)


@pytest.mark.parametrize("share", [-0.1, 4.5, "half", True, None, float("nan")])
def test_a_share_out_of_range_is_refused(share: Any) -> None:
    with pytest.raises(ConfigurationError, match="share"):
        create({"type": "replay", "share": share})


@pytest.mark.parametrize(
    "settings",
    [
        {"type": "sequential"},
        {"type": "joint"},
        {"type": "replay", "share": 2},
        {"type": "recurrent-kif", "quantile": 0.5, "outer_batch_size": 3},
        {"type": "recurrent-kif", "fusion": {"both": [0.3, 0.7], "neither": [0.1, 0.1]}},
    ],
)
def test_a_method_is_made_again_from_its_settings(settings: dict[str, Any]) -> None:
    made = create(settings)
    assert made.settings.items() >= settings.items()
    assert create(made.settings).settings == made.settings


@pytest.mark.parametrize(
    "settings",
    [
        {"inner_steps": 0},
        {"outer_steps": "4"},
        {"inner_steps": 2.5},
        {"outer_batch_size": 0},
        {"quantile": "high"},
        {"mean_decay": 1.0},
        {"outer_learning_rate_ratio": -1},
        {"fusion": {"both": [1, 1]}},
        {"fusion": {"both": [1, 1], "neither": [0, 0], "nether": [0, 0]}},
        {"fusion": 3},
    ],
)
def test_a_wrong_setting_of_recurrent_kif_is_one_line(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="recurrent-kif") as caught:
        create({"type": "recurrent-kif", **settings})
    assert caught.value.cure
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [None, 3, ["replay"], "rehearsal"])
def test_an_unknown_method_is_refused(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match="There is no method"):
        create({"type": kind})
