"""The quality studies: the whole plan on a tiny model, and every rule by which it chooses, gates and sums up."""

from __future__ import annotations

import argparse
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.adapters import quality
from benchmarks.adapters.quality import timing
from benchmarks.adapters.quality.cell import do_job
from benchmarks.adapters.quality.plan import Plan, best_rate, next_rate
from benchmarks.adapters.quality.pupil import mixed_batches
from benchmarks.adapters.quality.setting import STUDIES, Job, Setting, StoriesTask, Study, load
from benchmarks.adapters.quality.table import gate, summary, table
from benchmarks.adapters.quality.timing import do_timing, rank_of_time, time_rank, timing_path
from benchmarks.adapters.rounds import ratio

from mezzofanti.continual import TrainingSettings
from mezzofanti.files import read_json, write_json
from mezzofanti.recipe import AlmanacTask

NUMBERS = AlmanacTask(source="almanac", language="en", name="numbers", train_rows=16, questions=3)
TRAINING = TrainingSettings(
    per_device_train_batch_size=4, max_length=400, dtype="float32", max_new_tokens=4, save_steps=3
)


@pytest.fixture
def tiny(tiny_base: Path, tmp_path: Path) -> Setting:
    return Setting(
        base=str(tiny_base),
        studies={"tiny": Study((NUMBERS, StoriesTask(train_rows=12, questions=3)), epochs=1)},
        rates=(1e-3, 2e-3),
        most_rates=2,
        repeated=("malora",),
        validation_rows=2,
        timing_rounds=5,
        training=TRAINING,
        folder=tmp_path / "work",
        result=tmp_path / "quality.json",
    )


def test_the_plan_runs_to_its_end_and_a_second_one_finds_all_done(tiny: Setting) -> None:
    begun: list[Job] = []

    def begin(job: Job) -> None:
        begun.append(job)
        do_job(tiny, job)

    assert Plan(tiny, begin).study("tiny", ["lora-equal", "malora"], [0, 1])
    kinds = [(job.kind, job.name, job.seed) for job in begun]
    assert kinds == [
        *[("search", name, 0) for name in ("lora-equal", "malora") for _ in range(2)],
        ("single", "numbers", 0),
        ("single", "stories-en", 0),
        ("cell", "lora-equal", 0),
        ("cell", "malora", 0),
        ("cell", "malora", 1),
    ]
    found = read_json(tiny.result)["studies"]["tiny"]
    assert set(found["search"]["malora"]) == {"0.001", "0.002"}
    cell = found["cells"]["malora"]["1"]
    assert (cell["optimizer_steps"], cell["samples"]) == (7, 28)
    assert cell["rank"] == 12
    lora = found["cells"]["lora-equal"]["0"]
    assert lora["trainable_parameters"] == pytest.approx(cell["trainable_parameters"], rel=0.02)
    answers = tiny.place(begun[-1]) / "answers.jsonl"
    assert len(answers.read_text("utf-8").splitlines()) == 6
    assert not (tiny.place(begun[-1]) / "work").exists()
    assert [len(marks) for marks in cell["marks"].values()] == [3, 3]
    begun.clear()
    assert Plan(tiny, begin).study("tiny", ["lora-equal", "malora"], [0, 1])
    shutil.rmtree(tiny.folder)  # the result alone is enough to go on from
    assert Plan(tiny, begin).study("tiny", ["lora-equal", "malora"], [0, 1])
    assert begun == []
    assert "0 of 2 tasks count" in table(read_json(tiny.result))


def test_a_plan_without_time_begins_nothing(tiny: Setting) -> None:
    def begin(job: Job) -> None:
        raise AssertionError(job)

    assert not Plan(tiny, begin, minutes=-1).study("tiny", ["malora"], [0])
    assert read_json(tiny.result)["studies"]["tiny"]["tasks"] == ["numbers", "stories-en"]


def test_variants_take_the_rate_of_their_kin(tiny: Setting) -> None:
    begun: list[Job] = []

    def begin(job: Job) -> None:
        begun.append(job)
        found = {"scores": {"numbers": job.rate}, "learning_rate": job.rate}
        write_json(tiny.place(job) / "found.json", found)

    assert Plan(tiny, begin).variants("tiny", {"malora-6-16": "malora"})
    assert begun[-1] == Job("cell", "tiny", "malora-6-16", 0, 2e-3)


def test_cells_at_a_rate_that_is_not_the_best_stand_beside_those_that_are(tiny: Setting) -> None:
    def put(kind: str, rate: float, score: float) -> None:
        content = {"scores": {"numbers": score}, "learning_rate": rate}
        write_json(tiny.place(Job(kind, "tiny", "malora", 0, rate)) / "found.json", content)

    def begin(job: Job) -> None:
        raise AssertionError(job)

    put("search", 1e-3, 0.5)
    for rate in (1e-3, 2e-3):
        put("cell", rate, rate)
        put("single", rate, rate)
    Plan(tiny, begin).write()
    found = read_json(tiny.result)["studies"]["tiny"]
    assert found["single"]["malora"]["learning_rate"] == 1e-3
    assert found["cells"]["malora"]["0"]["learning_rate"] == 1e-3
    assert found["other_rates"]["malora at 0.002"]["0"]["learning_rate"] == 2e-3
    shutil.rmtree(tiny.folder)  # also from the result alone, once the search goes on
    put("search", 2e-3, 0.6)
    Plan(tiny, begin).write()
    found = read_json(tiny.result)["studies"]["tiny"]
    assert found["cells"]["malora"]["0"]["learning_rate"] == 2e-3
    assert list(found["other_rates"]) == ["malora at 0.001"]
    assert found["single"]["malora"]["learning_rate"] == 1e-3  # better than none, until there is one at 2e-3


def nothing(job: Job) -> None:
    raise AssertionError(job)


def test_timing_finds_the_rank_of_equal_time_and_the_result_keeps_it(
    tiny: Setting, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quality, "Setting", lambda **_: tiny)
    monkeypatch.setattr(quality, "machine_lock", nullcontext)
    monkeypatch.setattr(quality, "_process", lambda setting, workers, *job: quality._do(setting, list(job)))
    parser = argparse.ArgumentParser()
    quality.add_options(parser)
    assert time_rank(tiny) is None
    quality.main(parser.parse_args(["--timing", "--data", str(tiny.data)]))
    found = read_json(tiny.result)["timing"]
    loras = [f"lora-r{n * found['equal_rank']}" for n in (1, 2, 3)]
    assert list(found["seconds"]) == list(found["median_seconds"]) == ["malora", *loras]
    assert [len(seconds) for seconds in found["seconds"].values()] == [found["rounds"]] * 4 == [5] * 4
    assert 1 <= found["low"] <= found["high"] <= found["largest_considered"]
    assert 1 <= found["rank"] <= found["largest_considered"]
    assert found["threads"] >= 1
    for name in loras:
        assert found["malora_to"][name] == ratio(found["seconds"]["malora"], found["seconds"][name])
    assert f"rank {found['rank']} ({found['low']} to {found['high']})" in capsys.readouterr().out
    shutil.rmtree(tiny.folder)  # the result alone is enough to go on from, and is not written without it
    assert time_rank(tiny) == found["rank"]
    Plan(tiny, nothing).write()
    assert read_json(tiny.result)["timing"] == found


def test_a_timing_that_was_stopped_goes_on_and_a_finished_one_is_made_anew(tiny: Setting) -> None:
    short = replace(tiny, timing_rounds=1)
    first = do_timing(short)
    timing_path(tiny).unlink()  # as if it had been stopped after a round
    second = do_timing(replace(tiny, timing_rounds=2))
    assert second["seconds"]["malora"][:1] == first["seconds"]["malora"]
    third = do_timing(short)
    assert third["seconds"]["malora"] != first["seconds"]["malora"]
    assert third["low"] is None  # too few rounds to say


def test_cells_that_stand_keep_lora_times_rank_whatever_is_timed_later(tiny: Setting) -> None:
    write_json(tiny.result, {"studies": {"tiny": {"cells": {"lora-time": {"0": {"rank": 91}}}}}})
    assert time_rank(tiny) == 91  # a file from before the timing was kept
    write_json(timing_path(tiny), {"rank": 70})
    assert time_rank(tiny) == 91
    others = {
        "cells": {"malora": {"0": {"rank": 12}}},
        "other_rates": {"lora-time at 0.002": {"0": {"rank": 91}}},
    }
    write_json(tiny.result, {"studies": {"tiny": others}})
    assert time_rank(tiny) == 91  # also where the search has since ended with another rate
    write_json(tiny.result, {"studies": {"tiny": {}}, "timing": {"rank": 80}})
    assert time_rank(tiny) == 70


def test_a_result_from_before_is_gone_on_from_with_all_it_holds(repository: Path, tiny: Setting) -> None:
    known = read_json(repository / "benchmarks" / "results" / "malora_quality.json")
    write_json(tiny.result, known)
    plan = Plan(replace(tiny, studies=STUDIES), nothing)
    plan.write()
    written = read_json(tiny.result)
    assert written["studies"] == known["studies"]
    assert set(written) >= set(known)
    for study, found in known["studies"].items():
        for name, cells in found["cells"].items():
            for seed, cell in cells.items():
                plan._do(Job("cell", study, name, int(seed), cell["learning_rate"]))  # stands: begins nothing
    assert found["cells"]


def test_the_head_names_no_step_count_that_no_cell_took(tiny: Setting) -> None:
    Plan(tiny, nothing).write()
    training = read_json(tiny.result)["training"]
    assert training["per_device_train_batch_size"] == 4
    assert "max_steps" not in training


def test_the_interval_of_a_rank_is_over_rounds_drawn_together(
    tiny: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def timed(noise: float) -> dict[str, Any]:
        drawn = np.random.default_rng(0)
        means = {"malora": 1.15, "lora-r70": 1.0, "lora-r140": 1.1, "lora-r210": 1.2}
        rows = [
            {"seconds": {name: slowed * (mean + noise * drawn.normal()) for name, mean in means.items()}}
            for slowed in drawn.uniform(1, 3, 40)  # other work, which meets all of a round alike
        ]
        monkeypatch.setattr(timing, "run_rounds", lambda *_: rows)
        return timing._timed(tiny, list, [70, 140, 210])

    alike = timed(0.0)
    assert (alike["rank"], alike["low"], alike["high"]) == (175, 175, 175)
    noisy = timed(0.01)
    assert 1 < noisy["low"] < noisy["rank"] < noisy["high"] < 420


def test_the_rank_of_a_time_lies_on_the_line() -> None:
    assert rank_of_time([70, 140, 210], [1.0, 1.1, 1.2], 1.15) == 175
    assert rank_of_time([70, 140, 210], [1.0, 1.1, 1.2], 9.0) == 420
    assert rank_of_time([70, 140, 210], [1.0, 1.1, 1.2], 0.0) == 1
    assert rank_of_time([70, 140, 210], [1.2, 1.1, 1.0], 1.0) == 420
    assert rank_of_time([70, 140, 210], [1.0, 1.0, 1.0], 1.0) == 420
    slope, start = np.polyfit([70, 140, 210], [1.0, 1.3, 1.2], 1)
    assert rank_of_time([70, 140, 210], [1.0, 1.3, 1.2], 1.25) == round((1.25 - start) / slope)


def test_the_best_rate_is_sought_until_it_is_not_at_an_edge() -> None:
    assert best_rate({1e-3: 0.5, 2e-3: 0.5, 4e-3: 0.4}) == 1e-3
    assert next_rate({1e-3: 0.4, 2e-3: 0.5, 4e-3: 0.4}, 6) is None
    assert next_rate({1e-3: 0.4, 2e-3: 0.5, 4e-3: 0.6}, 6) == 8e-3
    assert next_rate({1e-3: 0.6, 2e-3: 0.5, 4e-3: 0.4}, 6) == 5e-4
    assert next_rate({1e-3: 0.6, 2e-3: 0.5, 4e-3: 0.4}, 3) is None


def test_every_batch_is_of_the_mixture() -> None:
    rows = list(range(10))
    batches = mixed_batches(rows, epochs=2, size=3, seed=1)
    assert [len(batch) for batch in batches] == [3] * 6
    flat = [row for batch in batches for row in batch]
    assert sorted(flat[:10]) == rows
    assert batches == mixed_batches(rows, 2, 3, 1) != mixed_batches(rows, 2, 3, 2)


def test_a_search_sees_no_exam_question_and_no_row_it_is_asked(tiny: Setting) -> None:
    searched = load(tiny, Job("search", "tiny", "malora", 0, 1e-3))
    whole = load(tiny, Job("cell", "tiny", "malora", 0, 1e-3))
    for task, rows in searched.rows.items():
        assert rows == whole.rows[task][: len(whole.rows[task]) // 2]
        held = {question.prompt for question in searched.papers[task]}
        assert len(held) == 2
        assert held.isdisjoint(row.messages[0].content for row in rows)
        assert held.isdisjoint(question.prompt for question in whole.papers[task])
    assert {question.scorer for question in searched.papers["stories-en"]} == {"number"}


def test_stories_are_examined_on_others(tmp_path: Path) -> None:
    task = StoriesTask(train_rows=300, questions=100)
    first, second = task.load(tmp_path, 0), task.load(tmp_path, 1)
    assert first[1] == second[1]
    assert first[0] != second[0]
    assert len(first[0]) == 300
    asked = {question.prompt for question in first[1]}
    assert len(asked) == 100
    assert asked.isdisjoint(row.messages[0].content for row in first[0] + second[0])


def test_a_task_counts_where_it_beats_the_majority_by_three_errors() -> None:
    def single(score: float, majority: float, count: int) -> dict[str, Any]:
        return {"scores": {"t": score}, "majority": {"t": majority}, "questions": {"t": count}}

    # at 0.5 and 100 questions the error is 5 points
    assert gate(single(0.66, 0.5, 100), "t")["counts"]
    assert not gate(single(0.64, 0.5, 100), "t")["counts"]
    assert not gate(single(0.0, 0.0, 100), "t")["counts"]
    assert gate(single(1.0, 0.01, 100), "t")["counts"]


def test_a_summary_by_hand() -> None:
    def cell(a: float, b: float, c: float) -> dict[str, Any]:
        return {
            "scores": {"a": a, "b": b, "c": c},
            "marks": {
                task: ("1" * round(10 * score)).ljust(10, "0")
                for task, score in zip("abc", (a, b, c), strict=True)
            },
            "questions": dict.fromkeys("abc", 100),
            "seconds": 10.0,
            "trainable_parameters": 7,
        }

    alone = {
        task: {"scores": {task: score}, "majority": {task: 0.1}, "questions": {task: 100}}
        for task, score in (("a", 0.8), ("b", 0.6), ("c", 0.15))
    }
    cells = {
        "malora": {"0": cell(0.9, 0.4, 1.0), "1": cell(0.7, 0.4, 0.0)},
        "lora-equal": {"0": cell(0.5, 0.5, 0)},
    }
    found = {"tasks": ["a", "b", "c"], "single": alone, "cells": cells}
    what = summary(found)
    assert what["tasks"] == ["a", "b"]  # c alone is no better than always the same answer
    row = what["contestants"]["malora"]
    assert row["average"] == pytest.approx(60)
    assert (row["error"], row["error_of"], row["seeds"]) == (pytest.approx(5), "seeds", 2)
    assert row["seesaw"] == {"a": pytest.approx(0), "b": pytest.approx(-20)}
    assert row["imbalance"] == pytest.approx(200**0.5)
    assert row["lost"] == pytest.approx(10)
    one = what["contestants"]["lora-equal"]
    assert (one["error"], one["error_of"]) == (pytest.approx(50**0.5 / 2), "questions")
    # question by question in the one seed both have: four of ten more on a, one of ten fewer on b
    assert row["difference"] == pytest.approx(15)
    assert row["difference_error"] == pytest.approx(100 * ((0.24 + 0.09) / 9) ** 0.5 / 2)
    assert one["difference"] is None
    assert row["by_seed"] == {"0": pytest.approx(15)}
    assert "| malora | 7 | 2 | 60.0 ± 5.0 | +15.0 ± 9.6 |" in table({"studies": {"s": found}})
    # the other way round: LoRA's one seed against MALoRA's same seed
    against = summary(found, "malora")["contestants"]
    assert against["lora-equal"]["difference"] == pytest.approx(-15)
    assert against["malora"]["difference"] is None
    assert "| minus malora |" in table({"studies": {"s": found}}, "malora")


def test_the_studies_are_as_the_docs_say(shared_data: Path) -> None:
    across = STUDIES["across-domains"]
    assert len(across.tasks) >= 6
    assert sum(task.source == "long-sequence" for task in across.tasks) >= 2
    assert len({task.train_rows for task in across.tasks}) >= 4
    for name in STUDIES:
        lessons = load(Setting(data=shared_data), Job("cell", name, "malora", 0, 1e-3))
        for task in STUDIES[name].tasks:
            assert len(lessons.rows[task.title]) == task.train_rows, task.title
            assert len(lessons.papers[task.title]) == task.questions, task.title
