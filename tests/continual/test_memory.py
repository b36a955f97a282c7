"""What is remembered: an even, seeded share of every task, kept on disk in the order of learning."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzofanti.continual.memory import Memory, choose
from mezzofanti.errors import ConfigurationError


def rows(*skills: str) -> list[dict[str, Any]]:
    return [{"id": str(number), "skill": skill} for number, skill in enumerate(skills)]


@given(
    st.lists(st.sampled_from("abcd"), max_size=40), st.integers(0, 50), st.text(max_size=3)
)  # more is asked than there is, too
def test_a_choice_is_an_even_ordered_part(skills: list[str], count: int, seed: str) -> None:
    given_rows = rows(*skills)
    chosen = choose(given_rows, count, seed=seed)
    numbers = [int(row["id"]) for row in chosen]
    assert len(chosen) == min(count, len(skills))
    assert numbers == sorted(set(numbers))
    assert all(row == given_rows[int(row["id"])] for row in chosen)
    there, taken = Counter(skills), Counter(row["skill"] for row in chosen)
    quota = count // len(there) if there else 0
    assert all(taken[skill] >= min(quota, there[skill]) for skill in there)
    assert chosen == choose(given_rows, count, seed=seed)


def test_a_choice_depends_on_the_seed() -> None:
    given_rows = rows(*"a" * 40)
    assert choose(given_rows, 10, seed="1") != choose(given_rows, 10, seed="2")


def test_rows_without_a_skill_are_one_kind() -> None:
    assert len(choose([{"input_ids": [n]} for n in range(9)], 4, seed="0")) == 4


def test_a_choice_is_not_changed_with_the_row_it_came_from() -> None:
    source = rows("a")
    chosen = choose(source, 1, seed="0")
    source[0]["skill"] = "b"
    assert chosen == rows("a")


def test_a_memory_lasts_in_its_folder_in_the_order_of_learning(tmp_path: Path) -> None:
    memory = Memory(2, tmp_path)
    for name in ("zebra", "apple", "a-b.c d"):
        memory.add(name, rows(*"xyz"), seed=1)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "01-zebra.jsonl",
        "02-apple.jsonl",
        "03-a-b.c d.jsonl",
    ]
    again = Memory(2, tmp_path)
    assert again.tasks == ["zebra", "apple", "a-b.c d"]
    assert again.rows() == memory.rows()
    assert (len(again), len(again.rows(before="apple")), len(again.rows(before="zebra"))) == (6, 2, 0)
    assert len(again.rows(before="never seen")) == 6


def test_adding_a_task_again_replaces_its_choice(tmp_path: Path) -> None:
    memory = Memory(1, tmp_path)
    memory.add("one", rows("a"))
    memory.add("two", rows("b"))
    memory.add("one", rows("c"))
    assert [row["skill"] for row in memory.rows()] == ["c", "b"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["01-one.jsonl", "02-two.jsonl"]
    assert Memory(1, tmp_path).rows() == memory.rows()


def test_what_is_not_kept_is_forgotten_on_disk_as_well(tmp_path: Path) -> None:
    memory = Memory(1, tmp_path)
    for name in ("one", "two", "three"):
        memory.add(name, rows("a"))
    memory.keep(["one", "two"])
    assert memory.tasks == Memory(1, tmp_path).tasks == ["one", "two"]
    memory.add("four", rows("d"))
    assert Memory(1, tmp_path).tasks == ["one", "two", "four"]


def test_a_memory_of_nothing_stays_empty(tmp_path: Path) -> None:
    memory = Memory(0, tmp_path)
    assert memory.add("one", rows("a", "b")) == []
    assert (len(memory), memory.rows(), Memory(0, tmp_path).tasks) == (0, [], ["one"])


def test_fewer_than_nothing_cannot_be_remembered() -> None:
    with pytest.raises(ConfigurationError, match="zero or more"):
        Memory(-1)
