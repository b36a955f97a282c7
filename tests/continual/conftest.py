"""Learners that several tests look at are taught once. A test that changes one copies its folder first."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_school as school

from mezzofanti.continual import Learner

KINDS = ("sequential", "replay", "recurrent-kif", "joint", "malora")
"""What is taught: a method with LoRA, or Recurrent-KIF with MALoRA."""


@pytest.fixture(scope="session")
def school_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny base that learns a word in a dozen steps."""
    return school.school_base(tmp_path_factory.mktemp("school") / "base")


@pytest.fixture(scope="session")
def learned(school_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Learner]:
    """The learner of one of `KINDS` after the whole stream. Look at it, and leave it as it is."""
    folder = tmp_path_factory.mktemp("learned")
    known: dict[str, Learner] = {}

    def teach(kind: str) -> Learner:
        if kind not in known:
            method = "recurrent-kif" if kind == "malora" else kind
            adapter = school.MALORA if kind == "malora" else school.ADAPTER
            known[kind] = school.learner(folder / kind, school_base, method, adapter=adapter)
            known[kind].learn_stream(school.stream())
        return known[kind]

    return teach


@pytest.fixture
def copied(learned: Callable[[str], Learner], tmp_path: Path) -> Callable[[str], Learner]:
    """A copy of such a learner, to be changed."""

    def copy(kind: str) -> Learner:
        folder = tmp_path / f"copy-of-{kind}"
        shutil.copytree(learned(kind).folder.path, folder)
        return Learner.open(folder)

    return copy
