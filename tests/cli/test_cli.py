"""`mezzo` from end to end on a tiny base: learning, stopping, going on, and one line for every mistake."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_school as school
import yaml

from mezzofanti.continual import LearnerFolder
from mezzofanti.files import read_json, read_jsonl, write_jsonl

COMMAND = [sys.executable, "-m", "mezzofanti.cli"]
Mezzo = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base, rows of two tasks, and the recipe that teaches them."""
    folder = tmp_path_factory.mktemp("cli")
    school.school_base(folder / "base")
    for name in ("one", "two", "four"):
        rows = [{"messages": row.model_dump(mode="json")["messages"]} for row in school.task(name).train]
        write_jsonl(folder / f"{name}.jsonl", rows)
    recipe = {
        "base": "base",
        "method": {"type": "recurrent-kif", "inner_steps": 4, "outer_steps": 2},
        "adapter": school.ADAPTER.model_dump(mode="json"),
        "training": school.TRAINING.model_dump(mode="json"),
        "memory_rows": 6,
        "tasks": [
            {"source": "jsonl", "name": n, "train": f"{n}.jsonl", "questions": 6} for n in ("one", "two")
        ],
    }
    (folder / "school.yaml").write_text(yaml.safe_dump(recipe))
    return folder


@pytest.fixture(scope="module")
def taught(place: Path) -> subprocess.CompletedProcess[str]:
    """`mezzo learn school.yaml`, once, as a program of its own; the learner is in learners/school."""
    command = [*COMMAND, "learn", "school.yaml"]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=250)


def test_learn_teaches_a_recipe_and_says_where_to_look(
    taught: subprocess.CompletedProcess[str], place: Path
) -> None:
    assert taught.returncode == 0, taught.stderr
    learner = LearnerFolder(place / "learners" / "school")
    assert learner.learned() == ["one", "two"]
    assert learner.matrix().rows[1] == [1, 0]
    lines = taught.stdout.strip().splitlines()
    assert lines[-3:] == [
        "learned   one, two",
        "look at   learners/school  (mezzo report learners/school)",
        "next      mezzo learn YOUR.jsonl --learner learners/school",
    ]
    assert "% right" in taught.stdout
    assert "recurrent-kif learns two: 12 of 12" in taught.stderr
    assert "Traceback" not in taught.stderr


def wait_for(process: subprocess.Popen[bytes], path: Path) -> None:
    until = time.monotonic() + 200
    while not path.exists():
        assert process.poll() is None, f"ended with {process.returncode} before {path} was there"
        assert time.monotonic() < until
        time.sleep(0.005)


def heed_interrupts() -> None:
    """A shell's background job ignores SIGINT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.timeout(900)
def test_stopped_and_killed_the_same_command_goes_on(
    taught: subprocess.CompletedProcess[str], place: Path
) -> None:
    command = [*COMMAND, "learn", "school.yaml", "--learner", "again"]
    for task, stop in ((1, signal.SIGINT), (2, signal.SIGKILL)):
        with subprocess.Popen(
            command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed_interrupts
        ) as process:
            wait_for(process, place / "again" / "work" / f"{task:02d}" / "checkpoint-5" / "complete.json")
            process.send_signal(stop)
            told = process.communicate(timeout=100)[1].decode()
        if stop == signal.SIGINT:
            assert process.returncode == 130
            assert told.strip().splitlines()[-1] == "stopped; the same command goes on where it was"
            assert "Traceback" not in told
        else:
            assert process.returncode == -signal.SIGKILL
    assert "two (step" in LearnerFolder(place / "again").running()
    assert subprocess.run(command, cwd=place, capture_output=True, timeout=250).returncode == 0
    again, whole = (read_json(place / folder / "matrix.json") for folder in ("again", "learners/school"))
    assert again == whole
    folders = [place / "again", place / "learners" / "school"]
    weights = [
        (f / "tasks" / "02-two" / "adapter" / "adapter_model.safetensors").read_bytes() for f in folders
    ]
    assert weights[0] == weights[1]
    logs = [list(read_jsonl(folder / "metrics.jsonl")) for folder in folders]
    assert logs[0] == logs[1]


def test_status_evaluate_and_report_look_at_what_was_learned(
    taught: subprocess.CompletedProcess[str], place: Path, mezzo: Mezzo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    before = read_json("learners/school/matrix.json")
    code, said, _ = mezzo("status", "learners/school")
    assert code == 0
    assert "method    recurrent-kif with lora\nlearned   one, two" in said
    assert "running" not in said
    code, said, _ = mezzo("evaluate", "learners/school")
    assert (code, read_json("learners/school/matrix.json")) == (0, before)
    assert "% right" in said
    code, said, _ = mezzo("report", "learners/school", "--output", "page.html")
    assert code == 0
    assert said.strip().endswith("look at   page.html")
    assert "one 100?" in (place / "page.html").read_text() or "one " in (place / "page.html").read_text()


def test_a_folder_of_learners_stands_for_all_of_them(
    taught: subprocess.CompletedProcess[str], place: Path, tmp_path: Path, mezzo: Mezzo
) -> None:
    for name in ("first", "second"):
        shutil.copytree(place / "learners" / "school", tmp_path / "all" / name)
    (tmp_path / "all" / "corpus").mkdir()
    page = tmp_path / "page.html"
    code, said, _ = mezzo("report", tmp_path / "all", "--output", page)
    assert code == 0
    both = said
    code, said, _ = mezzo("report", tmp_path / "all" / "first", tmp_path / "all" / "second", "--output", page)
    assert (code, said) == (0, both)
    code, _, warned = mezzo("report", tmp_path / "all" / "corpus", "--output", page)
    assert (code, "There is no learner in" in warned) == (2, True)


def test_own_rows_become_one_more_task(
    taught: subprocess.CompletedProcess[str], place: Path, mezzo: Mezzo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    school_folder = place / "learners" / "more"
    subprocess.run(["cp", "-r", place / "learners" / "school", school_folder], check=True)
    code, said, _ = mezzo("learn", "four.jsonl", "--learner", school_folder)
    assert code == 0
    assert "learned   one, two, four" in said
    assert LearnerFolder(school_folder).matrix().questions == [6, 6, 4]
    code, said, _ = mezzo("learn", "four.jsonl", "--learner", school_folder)
    assert (code, "learned   one, two, four" in said) == (0, True)


ALMANAC = {"source": "almanac", "language": "fr", "train_rows": 8, "questions": 2}


@pytest.mark.parametrize(
    ("arguments", "settings", "says"),
    [
        (("learn", "gone.yaml"), None, "There is no recipe gone.yaml. Check the path."),
        (("learn", "gone.jsonl"), None, "There is no file gone.jsonl. Check the path."),
        (("learn", "empty.jsonl"), None, "has no rows"),
        (("learn", "bad.yaml"), {"tasks": [{**ALMANAC, "language": "xx"}]}, "'xx'"),
        (("learn", "bad.yaml"), {"tasks": [ALMANAC], "method": {"type": "replai"}}, "Did you mean 'replay'?"),
        (("learn", "bad.yaml"), {"tasks": [ALMANAC], "sed": 1}, "unknown key 'sed'. Did you mean 'seed'?"),
        (("learn", "bad.yaml"), {"tasks": [ALMANAC], "base": "nowhere"}, "There is no base 'nowhere'"),
        (("learn", "bad.yaml"), {"name": "c", "languages": ["en"], "sources": []}, "unknown key"),
        (("learn", "bad.yaml"), [], "holds no mapping"),
        (("corpus", "build", "gone.yaml"), None, "There is no recipe gone.yaml"),
        (("corpus", "build", "bad.yaml"), {"tasks": [ALMANAC]}, "unknown key 'tasks'"),
        (
            ("corpus", "build", "bad.yaml"),
            {"name": "c", "languages": ["xx"], "sources": [{"type": "almanac"}]},
            "'xx'",
        ),
        (("curvature", "solve", "gone.yaml"), None, "There is no recipe gone.yaml"),
        (("base", "smollm-2"), None, "There is no base 'smollm-2'"),
        (("demo", "--base", "nowhere"), None, "There is no base 'nowhere'"),
        (("status", "nowhere"), None, "There is no learner in nowhere"),
        (("evaluate", "nowhere"), None, "There is no learner in nowhere"),
        (("evaluate", "begun"), None, "has learned nothing yet"),
        (("report", "nowhere"), None, "There is no learner in nowhere"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...],
    settings: Any,
    says: str,
    mezzo: Mezzo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "learner.yaml").write_text("schema: 1")
    if settings is not None:
        (tmp_path / "bad.yaml").write_text(yaml.safe_dump(settings))
    before = sorted(path.name for path in tmp_path.rglob("*"))
    code, said, told = mezzo(*arguments)
    assert (code, said) == (2, "")
    assert len(told.splitlines()) == 1
    assert told.startswith("error: ")
    assert says in told
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_a_learner_with_other_settings_is_left_alone(
    taught: subprocess.CompletedProcess[str], place: Path, mezzo: Mezzo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    settings = yaml.safe_load((place / "school.yaml").read_text())
    for changed, says in (
        ({"seed": 1}, "was begun with seed = 0, not 1"),
        ({"tasks": settings["tasks"][::-1]}, "has learned one, two; the stream begins with two, one"),
        ({"tasks": [{**settings["tasks"][0], "questions": 5}, settings["tasks"][1]]}, "from other rows"),
    ):
        (place / "other.yaml").write_text(yaml.safe_dump({**settings, **changed}))
        code, said, told = mezzo("learn", "other.yaml", "--learner", "learners/school")
        assert (code, said, len(told.splitlines())) == (2, "", 1)
        assert says in told


def test_a_mistake_is_one_line_in_a_program_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(json.dumps({"tasks": [{**ALMANAC, "language": "frr"}]}))
    command = [*COMMAND, "learn", "r.yaml"]
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in result.stderr
    assert "Did you mean 'fr'?" in result.stderr
