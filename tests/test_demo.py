"""The demo, small: everything it does, on a tiny base. Killed, it ends the same."""

from __future__ import annotations

import multiprocessing
import signal
from pathlib import Path

import pytest
import tiny_school as school

from mezzofanti.continual import LearnerFolder
from mezzofanti.demo import METHODS, QUICK, DemoPlan, last_lines, run
from mezzofanti.files import read_json


@pytest.fixture(scope="module")
def demo_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pupil."""
    return school.school_base(tmp_path_factory.mktemp("pupil") / "base")


@pytest.fixture(scope="module")
def shown(demo_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path], list[str]]:
    """The demo run to its end: its folder, the learners, and what it said."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    said: list[str] = []
    return folder, run(folder, school.demo_plan(demo_base), say=said.append), said


def test_every_method_learns_three_languages_from_one_english(
    shown: tuple[Path, list[Path], list[str]],
) -> None:
    folder, learners, _ = shown
    assert [learner.name for learner in learners] == list(METHODS)
    english = LearnerFolder(folder / "english")
    assert english.learned() == ["english"]
    for learner in learners:
        matrix = LearnerFolder(learner).matrix()
        assert matrix.tasks == ["english", "french", "spanish"]
        assert matrix.questions == [2, 2, 2]
        assert len(matrix.rows) == 4
        assert matrix.rows[:2] == english.matrix(matrix.tasks).rows
        settings = LearnerFolder(learner).settings()
        assert (settings["method"]["type"], settings["memory_rows"]) == (learner.name, 4)
        assert settings["adapter"] == english.settings()["adapter"]


def test_the_page_shows_every_method(shown: tuple[Path, list[Path], list[str]]) -> None:
    folder, _, _ = shown
    page = (folder / "report.html").read_text("utf-8")
    assert all(
        name in page for name in ("Sequential", "Replay", "Recurrent-KIF", "School in three languages")
    )
    assert "One seed and 2 questions a language" in page
    assert list((folder / "corpus").rglob("*.parquet"))


def test_it_says_what_it_does_and_ends_with_where_to_look(shown: tuple[Path, list[Path], list[str]]) -> None:
    folder, learners, said = shown
    assert "The pupil is" in said[0]
    assert [line for line in said if line.endswith("French, then Spanish.")] == [
        f"{method}: French, then Spanish." for method in METHODS
    ]
    assert [moment["said"] for moment in read_json(folder / "demo.json")["moments"]] == said
    last = last_lines(folder, learners)
    assert len(last) >= 3
    assert str(folder / "report.html") in last[-2]
    assert last[-1] == f"Teach it something of yours: mezzo learn YOUR.jsonl --learner {learners[-1]}"


def test_killed_twice_it_ends_the_same(
    shown: tuple[Path, list[Path], list[str]], demo_base: Path, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tiny_school", "mezzofanti.continual.pupil", "peft"])
    for moment, code in (
        ("sequential learns english", -signal.SIGKILL),
        ("replay learns spanish", -signal.SIGKILL),
        (None, 0),
    ):
        process = context.Process(target=school.demo_until, args=(tmp_path / "demo", demo_base, moment))
        process.start()
        process.join(timeout=250)
        assert process.exitcode == code, moment
    for whole in shown[1]:
        again = LearnerFolder(tmp_path / "demo" / whole.name)
        assert again.matrix().rows == LearnerFolder(whole).matrix().rows
        weights = Path("tasks") / "03-spanish" / "adapter" / "adapter_model.safetensors"
        assert (again.path / weights).read_bytes() == (whole / weights).read_bytes()
    assert (tmp_path / "demo" / "report.html").is_file()


def test_quick_leaves_replay_out() -> None:
    assert QUICK == ("sequential", "recurrent-kif")
    assert DemoPlan().methods == METHODS
    assert DemoPlan().questions == 30
