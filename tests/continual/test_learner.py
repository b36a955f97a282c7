"""A learner taught task after task by each method: what it ends with, what it refuses, how it goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_school as school
from safetensors.torch import load_file

from mezzofanti.continual import Learner, TaskStream
from mezzofanti.continual.methods import create
from mezzofanti.errors import ConfigurationError, MezzofantiError, StateError
from mezzofanti.files import read_json, read_jsonl, write_json

KINDS = ("sequential", "replay", "recurrent-kif", "joint", "malora")
TASKS = ["one", "two", "three"]
STEPS, BATCH, MEMORY, QUESTIONS = 12, 4, 6, 6

Learned = Callable[[str], Learner]


def weights(learner: Learner, index: int) -> dict[str, Any]:
    """The adapter saved after task `index`."""
    folder = learner.folder.folder_of(index, learner.learned[index - 1])
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def same_weights(left: Learner, right: Learner, index: int) -> bool:
    """Whether two adapters agree in every bit."""
    a, b = weights(left, index), weights(right, index)
    return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)


@pytest.mark.parametrize("kind", KINDS)
def test_the_matrix_has_a_row_before_and_a_row_after_each_task(kind: str, learned: Learned) -> None:
    matrix = learned(kind).matrix
    assert matrix.tasks == TASKS
    assert matrix.questions == [QUESTIONS] * 3
    assert [len(row) for row in matrix.rows] == [3, 3, 3, 3]
    assert matrix.rows[0] == [0, 0, 0]
    last = matrix.rows[3]
    assert matrix.op == pytest.approx(sum(last) / 3)
    assert matrix.bwt == pytest.approx(((last[0] - matrix.rows[1][0]) + (last[1] - matrix.rows[2][1])) / 2)
    written = read_json(learned(kind).folder.path / "matrix.json")
    assert written["rows"] == matrix.rows
    assert (written["op"], written["bwt"]) == (matrix.op, matrix.bwt)
    assert written["adapter"] == ("malora" if kind == "malora" else "lora")


def test_each_task_is_learned_and_plain_training_forgets(learned: Learned) -> None:
    rows = learned("sequential").matrix.rows
    assert rows[1] == [1, 0, 0]
    assert rows[2][:2] == [0, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_history_counts_samples_steps_and_memory(kind: str, learned: Learned) -> None:
    history = learned(kind).folder.history()
    rounds, outer = (STEPS // 4) * 2, (STEPS // 4) * 2 * BATCH
    later = {
        "sequential": (STEPS * BATCH, STEPS, 0),
        "joint": (STEPS * BATCH, STEPS, 0),
        "replay": (STEPS * (BATCH + BATCH // 2), STEPS, 0),
        "recurrent-kif": (STEPS * BATCH + outer, STEPS + rounds, rounds),
        "malora": (STEPS * BATCH + outer, STEPS + rounds, rounds),
    }[kind]
    counts = [(row["samples"], row["optimizer_steps"], row["outer_steps"]) for row in history]
    assert counts == [(STEPS * BATCH, STEPS, 0), later, later]
    uses = kind not in ("sequential", "joint")
    assert [row["memory_rows"] for row in history] == ([0, MEMORY, 2 * MEMORY] if uses else [0, 0, 0])
    assert [(row["task"], row["index"]) for row in history] == [("one", 1), ("two", 2), ("three", 3)]
    assert all(row["seconds"] > 0 and row["exam_seconds"] > 0 and row["dropped_rows"] == 0 for row in history)
    assert len({row["trainable_parameters"] for row in history}) == 1


def test_replay_and_recurrent_kif_see_as_many_samples(learned: Learned) -> None:
    replay, kif = (learned(kind).folder.history() for kind in ("replay", "recurrent-kif"))
    assert [row["samples"] for row in replay] == [row["samples"] for row in kif]


@pytest.mark.parametrize("kind", KINDS)
def test_the_folder_holds_what_its_page_says(kind: str, learned: Learned) -> None:
    path = learned(kind).folder.path
    assert sorted(p.name for p in (path / "tasks").iterdir()) == ["00-before", "01-one", "02-two", "03-three"]
    assert not list((path / "work").iterdir())
    for index, name in enumerate(TASKS, 1):
        folder = path / "tasks" / f"{index:02d}-{name}"
        files = {"answers.jsonl", "scores.json", "record.json", "questions.jsonl", "sample-rows.jsonl"}
        more = {"routing.json"} if kind == "malora" else set()
        assert {p.name for p in folder.iterdir()} == files | {"metrics.jsonl", "adapter"} | more
        assert (folder / "adapter" / "chat_template.jinja").is_file()
        answers = list(read_jsonl(folder / "answers.jsonl"))
        assert [row["task"] for row in answers] == [task for task in TASKS for _ in range(QUESTIONS)]
        assert len(list(read_jsonl(folder / "sample-rows.jsonl"))) == 12
    assert not (path / "tasks" / "00-before" / "adapter").exists()
    names = [row["task"] for row in read_jsonl(path / "metrics.jsonl")]
    assert list(dict.fromkeys(names)) == TASKS


@pytest.mark.parametrize("kind", KINDS)
def test_every_learner_remembers_rows_of_every_task_evenly(kind: str, learned: Learned) -> None:
    folder = learned(kind).folder.path / "memory"
    assert sorted(p.name for p in folder.iterdir()) == ["01-one.jsonl", "02-two.jsonl", "03-three.jsonl"]
    for name, path in zip(TASKS, sorted(folder.iterdir()), strict=True):
        rows = list(read_jsonl(path))
        known = [row.model_dump(mode="json") for row in school.task(name).train]
        assert all(row in known for row in rows)
        assert sorted(row["skill"] for row in rows) == ["skill-0"] * 3 + ["skill-1"] * 3


def test_rounds_are_logged_beside_the_loss(learned: Learned) -> None:
    rows = list(read_jsonl(learned("recurrent-kif").folder.path / "metrics.jsonl"))
    rounds = [row for row in rows if "outer_loss" in row]
    assert [(row["task"], row["step"]) for row in rounds] == [(t, s) for t in TASKS[1:] for s in (4, 8, 12)]
    shares = [sum(row[n] for n in ("new_only", "old_only", "shared", "neither")) for row in rounds]
    assert shares == pytest.approx([1.0] * 6)
    assert sum("loss" in row for row in rows) == 3 * (STEPS // 5)


# ---- going on ---------------------------------------------------------------------------------------------------


def test_learning_again_what_is_learned_does_nothing(
    learned: Learned, school_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = learned("recurrent-kif")
    stamps = {p: p.stat().st_mtime_ns for p in (done.folder.path / "tasks").rglob("*") if p.is_file()}
    monkeypatch.setattr("mezzofanti.continual.pupil.Pupil.become", None)
    again = school.learner(done.folder.path, school_base)
    assert again.learn_stream(school.stream()).rows == done.matrix.rows
    assert again.learn(school.task("two")).rows == done.matrix.rows
    assert {p: p.stat().st_mtime_ns for p in stamps} == stamps


def test_what_a_kill_left_behind_a_finished_task_is_put_right(copied: Learned) -> None:
    learner = copied("sequential")
    path, matrix = learner.folder.path, learner.matrix
    whole = {name: (path / name).read_text() for name in ("matrix.json", "history.jsonl", "metrics.jsonl")}
    work = learner.folder.work_of(3)
    (work / "checkpoint-12").mkdir(parents=True)
    write_json(work / "task.json", {"task": "three", "fingerprint": "of its rows"})
    write_json(path / "matrix.json", {**read_json(path / "matrix.json"), "rows": matrix.rows[:3]})
    (path / "history.jsonl").unlink()
    (path / "metrics.jsonl").unlink()
    assert learner.folder.running() == ""
    assert learner.learn_stream(school.stream()).rows == matrix.rows
    assert {name: (path / name).read_text() for name in whole} == whole
    assert not work.exists()


def test_a_fork_goes_on_by_another_method_as_if_it_had_begun_with_it(
    learned: Learned, school_base: Path, tmp_path: Path
) -> None:
    first = school.learner(tmp_path / "first", school_base, "sequential")
    first.learn_stream(school.stream(), until=1)
    before = {p: p.read_bytes() for p in first.folder.path.rglob("*") if p.is_file()}
    fork = first.fork(tmp_path / "fork", method=create({"type": "replay"}))
    assert read_json(fork.folder.path / "matrix.json")["method"] == "replay"
    assert fork.learned == ["one"]
    fork.learn_stream(school.stream())
    assert fork.matrix.rows == learned("replay").matrix.rows
    assert same_weights(fork, learned("replay"), 3)
    assert fork.folder.settings()["forked_from"] == str(tmp_path / "first")
    assert {p: p.read_bytes() for p in first.folder.path.rglob("*") if p.is_file()} == before
    with pytest.raises(StateError, match="exists already"):
        first.fork(tmp_path / "fork")


def test_one_more_task_is_learned_and_earlier_ones_are_asked_again(copied: Learned) -> None:
    learner = copied("replay")
    before = learner.matrix.rows
    # the answer of the task before: whether so short a lesson teaches a new one hangs on the processor's rounding
    four = school.task("four", answer="c")
    matrix = learner.learn(four)
    assert matrix.tasks == [*TASKS, "four"]
    assert matrix.rows[:4] == [[*row, None] for row in before]
    assert matrix.rows[4][3] == 1
    assert None not in matrix.rows[4]
    assert matrix.op == pytest.approx(sum(matrix.rows[4]) / 4)
    assert matrix.fwt is None
    assert learner.folder.history()[3]["memory_rows"] == 3 * MEMORY
    assert learner.learn(four).rows == matrix.rows
    with pytest.raises(StateError, match="another name"):
        learner.learn(school.task("four", answer="c", rows=20))
    # a stream that ends sooner asks for nothing, and takes nothing away
    assert learner.learn_stream(school.stream()).rows == before
    assert learner.matrix.rows == matrix.rows


def test_broken_off_a_learner_goes_on_in_the_same_program(
    learned: Learned, school_base: Path, tmp_path: Path
) -> None:
    def break_off(what: str, done: int, total: int) -> None:
        if "learns two" in what and done == 3:
            raise KeyboardInterrupt

    learner = school.learner(tmp_path / "one", school_base, "replay", progress=break_off)
    with pytest.raises(KeyboardInterrupt):
        learner.learn_stream(school.stream())
    assert "two (step 0)" in learner.folder.running()
    learner.progress = None
    with pytest.raises(StateError, match=r"rows of task 'two' changed.*remove"):
        learner.learn_stream(
            TaskStream([school.task("one"), school.task("two", rows=20), school.task("three")])
        )
    learner.learn_stream(school.stream())
    assert learner.folder.running() == ""
    assert same_weights(learner, learned("replay"), 3)


def test_a_task_given_up_leaves_no_rows_behind(copied: Learned) -> None:
    learner = copied("sequential")
    shutil.rmtree(learner.folder.folder_of(3, "three"))

    def break_off(what: str, done: int, total: int) -> None:
        if "exam after three" in what:
            raise KeyboardInterrupt

    learner.progress = break_off
    with pytest.raises(KeyboardInterrupt):
        learner.learn_stream(school.stream())
    assert "three (trained, not yet examined)" in learner.folder.running()
    learner.progress = None
    with pytest.raises(StateError, match="'three' was begun"):
        learner.learn(school.task("four"))
    shutil.rmtree(learner.folder.work_of(3))
    learner.learn(school.task("four"))
    assert learner.memory.tasks == ["one", "two", "four"]
    assert (learner.folder.path / "memory" / "03-four.jsonl").is_file()


# ---- examining anew ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["recurrent-kif", "malora"])
def test_examining_anew_gives_the_same_matrix(kind: str, copied: Learned) -> None:
    learner = copied(kind)
    matrix = learner.matrix
    answers = [(f / "answers.jsonl").read_text() for f in learner.folder.task_folders()]
    for folder in learner.folder.task_folders():
        scores = read_json(folder / "scores.json")
        write_json(folder / "scores.json", {**scores, "scores": dict.fromkeys(TASKS, 0.5)})
    assert learner.matrix.rows != matrix.rows
    assert learner.evaluate(school.stream()).rows == matrix.rows
    assert [(f / "answers.jsonl").read_text() for f in learner.folder.task_folders()] == answers
    assert read_json(learner.folder.path / "matrix.json")["rows"] == matrix.rows


def test_examining_the_tasks_learned_keeps_what_is_known_of_the_others(copied: Learned) -> None:
    learner = copied("sequential")
    shutil.rmtree(learner.folder.folder_of(3, "three"))
    learner.folder.refresh(TASKS)
    rows = learner.matrix.rows
    assert [len(row) for row in rows] == [3, 3, 3]
    assert learner.evaluate(learner.stream_learned()).rows == rows
    assert learner.matrix.tasks == TASKS


def test_another_exam_is_refused_until_all_is_examined_by_it(copied: Learned) -> None:
    learner = copied("sequential")
    shorter = TaskStream([school.task("one", questions=4), *school.stream("two", "three")])
    with pytest.raises(StateError, match=r"exam of task 'one' changed.*evaluate"):
        learner.learn_stream(shorter)
    learner.evaluate(shorter, only=[0, 1, 2])
    with pytest.raises(StateError, match="03-three"):
        learner.learn_stream(shorter)
    learner.evaluate(shorter, only=[3])
    assert learner.learn_stream(shorter).questions == [4, 6, 6]
    assert len(learner.stream_learned().tasks[0].test) == 4


# ---- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"method": create({"type": "replay"})},
        {"method": create({"type": "recurrent-kif", "inner_steps": 4, "outer_steps": 3})},
        {"adapter": school.MALORA},
        {"training": school.TRAINING.model_copy(update={"max_steps": 13})},
        {"memory_rows": 7},
        {"seed": 6},
    ],
    ids=["method", "rounds", "adapter", "training", "memory", "seed"],
)
def test_other_settings_are_refused(changed: dict[str, Any], learned: Learned, school_base: Path) -> None:
    folder = learned("recurrent-kif").folder.path
    with pytest.raises(StateError, match="begun with") as caught:
        Learner.open(folder, base=school_base, **changed)
    assert caught.value.cure == "Use another folder, or leave the setting as it was."


def test_settings_that_are_not_given_are_those_it_was_begun_with(learned: Learned) -> None:
    learner = Learner.open(learned("malora").folder.path)
    assert learner.adapter == school.MALORA
    assert learner.training == school.TRAINING
    assert learner.method.settings["inner_steps"] == 4
    assert (learner.settings["seed"], learner.settings["memory_rows"]) == (5, 6)


def test_a_setting_that_came_later_was_its_default(copied: Learned, school_base: Path) -> None:
    learner = copied("recurrent-kif")
    settings = learner.folder.settings()
    del settings["method"]["fusion"], settings["training"]["weight_decay"], settings["adapter"]["top_k"]
    learner.folder.write_settings(settings)
    assert school.learner(learner.folder.path, school_base).method.settings["fusion"] == "paper"


def test_another_base_is_refused_and_a_moved_one_is_found(
    copied: Learned, school_base: Path, tiny_base: Path, tmp_path: Path
) -> None:
    learner = copied("sequential")
    moved = tmp_path / "moved" / school_base.name
    shutil.copytree(school_base, moved)
    with pytest.raises(StateError, match="begun on"):
        Learner.open(learner.folder.path, base=tiny_base)
    with pytest.raises(StateError, match="begun on"):
        Learner.open(learner.folder.path, base=moved)
    settings = learner.folder.settings()
    settings["base"]["path"] = str(tmp_path / "gone")
    learner.folder.write_settings(settings)
    with pytest.raises(StateError, match="base=FOLDER"):
        Learner.open(learner.folder.path)
    assert Learner.open(learner.folder.path, base=moved).base.path == moved


def test_other_rows_of_a_learned_task_are_refused(learned: Learned) -> None:
    other = TaskStream([school.task("one", rows=23), *school.stream("two", "three")])
    with pytest.raises(StateError, match=r"'one' from other rows.*another name"):
        learned("sequential").learn_stream(other)


@pytest.mark.parametrize("names", [("two", "one", "three"), ("two", "one"), ("one", "two", "four", "three")])
def test_other_tasks_or_another_order_are_refused(names: tuple[str, ...], learned: Learned) -> None:
    with pytest.raises(StateError, match=r"learned one, two, three.*Use another folder"):
        learned("sequential").learn_stream(school.stream(*names))


def test_joint_takes_no_further_task(learned: Learned) -> None:
    with pytest.raises(StateError, match="learn_stream"):
        learned("joint").learn(school.task("four"))


def test_a_new_learner_needs_a_base(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="smollm2-135m"):
        Learner.open(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("content", ["{", "just words", "schema: 2", "- a list"])
def test_a_broken_settings_file_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "learner.yaml").write_text(content)
    with pytest.raises(MezzofantiError, match=r"learner\.yaml"):
        Learner.open(tmp_path)


def test_answers_say_what_was_asked_and_what_was_right(learned: Learned) -> None:
    path = learned("sequential").folder.folder_of(1, "one") / "answers.jsonl"
    first = json.loads(path.read_text().splitlines()[0])
    expected = {"task": "one", "id": "one-q100", "prompt": "one 100?", "reference": "a", "answer": "a"}
    assert first == {**expected, "score": 1.0, "group": "derivable"}
