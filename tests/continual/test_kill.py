"""Killed at any moment, a learner ends with the same matrix and the same bits."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom
from typing import Any

import pytest
import tiny_school as school
from safetensors.torch import load_file

from mezzofanti.continual import Learner, LearnerFolder
from mezzofanti.continual.training import last_whole_checkpoint
from mezzofanti.files import read_jsonl

Learned = Callable[[str], Learner]


@pytest.fixture(scope="module")
def processes() -> Any:
    """Processes that begin with the libraries loaded and nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tiny_school", "mezzofanti.continual.pupil", "peft", "trl.chat_template_utils"]
    )
    return context


def run(processes: Any, *arguments: Any) -> int:
    """Learn in a process of its own; return how it ended."""
    process = processes.Process(target=school.learn_until, args=arguments)
    process.start()
    process.join(timeout=200)
    assert process.exitcode is not None
    return int(process.exitcode)


def assert_same(folder: Path, whole: Learner) -> None:
    """The learner in `folder` is the one that nobody killed, in every bit that matters."""
    place = LearnerFolder(folder)
    assert place.matrix().rows == whole.matrix.rows
    for index, name in enumerate(["one", "two", "three"], 1):
        adapter = Path("adapter") / "adapter_model.safetensors"
        mine = load_file(place.folder_of(index, name) / adapter)
        theirs = load_file(whole.folder.folder_of(index, name) / adapter)
        assert [key for key in theirs if not mine[key].equal(theirs[key])] == []
    assert list(read_jsonl(folder / "metrics.jsonl")) == list(read_jsonl(whole.folder.path / "metrics.jsonl"))
    assert place.running() == ""
    clocks = ("seconds", "exam_seconds")
    histories = [
        [{k: v for k, v in row.items() if k not in clocks} for row in one.history()]
        for one in (place, whole.folder)
    ]
    assert histories[0] == histories[1]


@pytest.mark.timeout(900)
def test_killed_again_and_again_it_ends_the_same(
    processes: Any, learned: Learned, school_base: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "learner"
    place = LearnerFolder(folder)
    anywhere = SystemRandom().randrange(6, 12)
    for moment in (
        "step 2",
        "writing",
        "step 6",
        "unmarked",
        f"step {anywhere}",
        "saving",
        "exam",
        "finished",
    ):
        assert run(processes, folder, school_base, moment) == -signal.SIGKILL, moment
        work = place.work_of(2)
        if moment in ("writing", "unmarked"):
            assert (work / "checkpoint-10").is_dir()
            assert last_whole_checkpoint(work) == work / "checkpoint-5"
        if moment == "saving":
            assert last_whole_checkpoint(work) == work / "checkpoint-12"
        assert place.learned() == (["one", "two"] if moment == "finished" else ["one"]), moment
        assert len(place.matrix().rows) == (3 if moment == "finished" else 2)
    assert run(processes, folder, school_base) == 0
    assert_same(folder, learned("recurrent-kif"))


@pytest.mark.parametrize("kind", ["malora", "replay", "joint"])
def test_every_kind_goes_on_inside_a_task(
    kind: str, processes: Any, learned: Learned, school_base: Path, tmp_path: Path
) -> None:
    method, adapter = ("recurrent-kif", "malora") if kind == "malora" else (kind, "lora")
    killed = run(processes, tmp_path / "learner", school_base, "step 7", method, adapter)
    assert killed == -signal.SIGKILL
    assert "two (step 5)" in LearnerFolder(tmp_path / "learner").running()
    assert run(processes, tmp_path / "learner", school_base, None, method, adapter) == 0
    assert_same(tmp_path / "learner", learned(kind))


def test_a_torn_line_of_the_journal_is_not_written_on(
    processes: Any, learned: Learned, school_base: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "learner"
    assert run(processes, folder, school_base, "step 9") == -signal.SIGKILL
    journal = LearnerFolder(folder).work_of(2) / "rounds.jsonl"
    with journal.open("a") as stream:
        stream.write('{"step": 12, "outer_')
    assert run(processes, folder, school_base) == 0
    assert_same(folder, learned("recurrent-kif"))
