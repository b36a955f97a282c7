"""One command at a time: a second one at the same learner is told who holds it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_school as school

from mezzofanti.continual import Learner
from mezzofanti.continual.lock import LOCK, held
from mezzofanti.errors import StateError

HOLDER = """
import sys, time
from pathlib import Path
from mezzofanti.continual.lock import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(300)
"""


def test_a_second_command_is_refused_while_a_learner_learns(school_base: Path, tmp_path: Path) -> None:
    refused: list[str] = []

    def meanwhile(what: str, done: int, total: int) -> None:
        if refused or "learns one" not in what:
            return
        second = school.learner(tmp_path / "one", school_base, "sequential")
        for attempt in (
            lambda: second.learn_stream(school.stream()),
            lambda: second.learn(school.task("two")),
            lambda: second.evaluate(school.stream()),
            lambda: second.fork(tmp_path / "fork"),
        ):
            with pytest.raises(StateError) as caught:
                attempt()
            refused.append(str(caught.value))

    learner = school.learner(tmp_path / "one", school_base, "sequential", progress=meanwhile)
    learner.learn_stream(school.stream(), until=1)
    assert len(refused) == 4
    assert all(f"in use by process {os.getpid()} on " in said for said in refused)
    assert not (tmp_path / "fork").exists()
    assert (tmp_path / "one" / LOCK).read_bytes() == b""


def test_the_lock_of_a_killed_holder_is_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StateError, match=rf"process {holder.pid} on .* since .*Wait"), held(tmp_path):
            pass
        holder.kill()
        holder.wait(timeout=60)
        with held(tmp_path):
            assert str(os.getpid()) in (tmp_path / LOCK).read_text()


def test_what_another_command_has_learned_meanwhile_is_known(
    copied: Callable[[str], Learner], school_base: Path
) -> None:
    first = copied("replay")
    second = Learner.open(first.folder.path)
    first.learn(school.task("four"))
    assert second.memory.tasks == ["one", "two", "three"]
    second.evaluate(second.stream_learned(), only=[])
    assert second.memory.tasks == ["one", "two", "three", "four"]
