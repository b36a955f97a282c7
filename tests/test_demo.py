"""The demo, small: everything it does, on a tiny base. Killed, it ends the same."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest
import tiny_school as school

from mezzofanti import demo
from mezzofanti.continual import LearnerFolder
from mezzofanti.demo import METHODS, QUICK, DemoPlan, last_lines, run
from mezzofanti.files import read_json
from mezzofanti.schooling import teach_file

# three steps a task: what the demo does is asked here, not what a round is worth
pytestmark = pytest.mark.filterwarnings("ignore:This task has 3 optimizer steps and a round 8:UserWarning")


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
    noted = [line.replace(str(folder), "demo") for line in said]
    assert [moment["said"] for moment in read_json(folder / "demo.json")["moments"]] == noted
    last = last_lines(folder, learners)
    assert len(last) >= 3
    assert str(folder / "report.html") in last[-2]
    assert last[-1] == f"Teach it something of yours: mezzo learn YOUR.jsonl --learner {learners[-1]}"


@pytest.mark.timeout(900)
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


def test_run_again_when_it_is_finished_it_changes_nothing(
    shown: tuple[Path, list[Path], list[str]], demo_base: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "moved" / "demo"
    shutil.copytree(shown[0], folder)
    files = [folder / name for name in ("demo.json", "report.html")]
    before = [path.read_bytes() for path in files]
    again: list[str] = []
    run(folder, school.demo_plan(demo_base), say=again.append)
    assert [path.read_bytes() for path in files] == before
    assert [line.replace(str(folder), "") for line in again] == [
        line.replace(str(shown[0]), "") for line in shown[2]
    ]


def test_taught_something_more_it_still_runs_and_the_page_says_what_is_left_out(
    shown: tuple[Path, list[Path], list[str]], demo_base: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(shown[0], folder)
    said = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    rows = [{"messages": [{**said[0], "content": f"{n}?"}, said[1]]} for n in range(6)]
    (tmp_path / "yours.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    teach_file(tmp_path / "yours.jsonl", folder / "recurrent-kif")
    seconds = read_json(folder / "demo.json")["seconds"]
    folders = run(folder, school.demo_plan(demo_base), say=lambda line: None)
    assert LearnerFolder(folder / "recurrent-kif").matrix().tasks[3:] == ["yours"]
    assert read_json(folder / "demo.json")["seconds"] == seconds
    left_out = "Left out, because not all learners have it: yours (Recurrent-KIF)."
    assert last_lines(folder, folders)[:-2][-1] == left_out
    assert left_out in (folder / "report.html").read_text("utf-8")


def diary(folder: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch) -> demo._Diary:
    """A run's diary, by a clock that only the test moves."""
    monkeypatch.setattr(demo, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    return demo._Diary(folder, lambda line: None, None)


def test_the_time_of_killed_runs_counts_and_lines_keep_their_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    first = diary(tmp_path, clock, monkeypatch)
    for line, passes in (("one", 60.0), ("two", 30.0)):
        clock[0] += passes
        first.say(line)
    clock[0] += 20
    first.progress("two", 1, 2)
    clock[0] += 3  # killed here: less than a note's distance is lost
    second = diary(tmp_path, clock, monkeypatch)
    clock[0] += 5
    for line in ("one", "two"):
        second.say(line)
    clock[0] += 40
    second.say("three")
    clock[0] += 5
    second.close("end")
    assert second.seconds == 60 + 30 + 20 + 5 + 40 + 5
    known = read_json(tmp_path / "demo.json")
    assert [(m["said"], m["seconds"]) for m in known["moments"]] == [
        ("one", 60.0),
        ("two", 90.0),
        ("three", 155.0),
        ("end", 160.0),
    ]
    third = diary(tmp_path, clock, monkeypatch)
    for line in ("one", "two", "three"):
        clock[0] += 7
        third.say(line)
        third.progress(line, 1, 1)
    third.close("end")
    assert (third.seconds, read_json(tmp_path / "demo.json")) == (160.0, known)


def test_another_demo_in_the_same_folder_goes_on_counting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    quick = diary(tmp_path, clock, monkeypatch)
    clock[0] = 10
    for line in ("one", "three"):
        quick.say(line)
    quick.close("end")
    whole = diary(tmp_path, clock, monkeypatch)
    clock[0] += 100  # finds "one" done
    whole.say("one")
    whole.say("two")
    clock[0] += 30
    whole.close("end")
    assert whole.seconds == 40
    assert [m["said"] for m in whole.moments] == ["one", "two", "end"]


def test_quick_leaves_replay_out() -> None:
    assert QUICK == ("sequential", "recurrent-kif")
    assert DemoPlan().methods == METHODS
    assert DemoPlan().questions == 30
