"""`mezzo fold`: one plain LoRA folder a language, what was lost, and a mistake in one line."""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_school as school

from mezzofanti.continual import Task, TaskStream
from mezzofanti.continual.serving.source import MIXTURES
from mezzofanti.files import read_json, read_jsonl, write_json, write_jsonl

Mezzo = Callable[..., tuple[int, str, str]]
LANGUAGES = {"fr": "one", "es": "two"}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def _task(language: str, name: str) -> Task:
    task = school.task(name)
    return dataclasses.replace(
        task,
        train=tuple(row.model_copy(update={"language": language}) for row in task.train),
        test=tuple(question.model_copy(update={"language": language}) for question in task.test),
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base, a MALoRA learner of two languages, one that says it is a LoRA's, a new one, and rows."""
    folder = tmp_path_factory.mktemp("fold")
    base = school.school_base(folder / "base")
    stream = TaskStream([_task(language, name) for language, name in LANGUAGES.items()])
    learner = school.learner(folder / "school", base, "replay", adapter=school.MALORA, memory_rows=10)
    learner.learn_stream(stream)
    plain = shutil.copytree(folder / "school", folder / "plain") / "tasks" / "02-two" / "adapter"
    config = read_json(plain / "adapter_config.json")
    write_json(plain / "adapter_config.json", {**config, "peft_type": "LORA"})
    school.learner(folder / "new", base, "sequential", adapter=school.MALORA)
    rows = [row.model_dump(mode="json") for task in stream for row in task.train]
    write_jsonl(folder / "rows.jsonl", rows)
    write_jsonl(folder / "mute.jsonl", [{"messages": row["messages"]} for row in rows[:3]] + rows[:1])
    write_jsonl(folder / "empty.jsonl", [])
    said = [{"role": "user", "content": "?" * 100}, {"role": "assistant", "content": "a"}]
    write_jsonl(folder / "long.jsonl", [{"language": "fr", "messages": said}])
    return folder


def test_a_learner_folds_by_language(mezzo: Mezzo, place: Path) -> None:
    code, said, told = mezzo("fold", place / "school")
    assert code == 0, told
    lines = said.splitlines()
    assert lines[0] == "folded    fr, es: plain LoRA of rank 8 in folds/school"
    assert [line.split(":")[0] for line in lines[1:3]] == ["lost      fr", "lost      es"]
    command = shlex.split(lines[3].removeprefix("next"))
    assert command[:6] == ["vllm", "serve", str(place / "base"), "--enable-lora", "--max-lora-rank", "8"]
    assert command[-3:] == ["--lora-modules", "fr=folds/school/fr", "es=folds/school/es"]
    figures = read_json("folds/school/folds.json")["folds"]
    for language in LANGUAGES:
        loss, folder = figures[language]["loss"], Path("folds/school") / language
        assert figures[language]["calibration_rows"] == 8
        assert (loss["rows"], loss["held_out"]) == (2, True)
        assert loss["kl_base"] > loss["kl"] >= 0
        assert loss["score_routed"] is not None
        card = (folder / "README.md").read_text("utf-8")
        assert f"{loss['kl']:.4f}" in card
        assert "score: routed, folded" in card
        config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
        assert (config["peft_type"], config["r"], config["lora_alpha"]) == ("LORA", 8, 8)


def test_the_score_of_the_routed_learner_is_its_last_exam(mezzo: Mezzo, place: Path) -> None:
    code, said, told = mezzo("fold", place / "school", "--by", "task", "--how", "mean", "--only", "two, one")
    assert code == 0, told
    scores = read_json(place / "school" / "tasks" / "02-two" / "scores.json")["scores"]
    figures = read_json("folds/school/folds.json")["folds"]
    assert {name: figures[name]["loss"]["score_routed"] for name in scores} == scores
    assert said.startswith("folded    two, one:")


def test_molora_folds_too_and_the_help_says_so(mezzo: Mezzo, place: Path) -> None:
    adapter = school.MALORA.model_copy(update={"type": "molora"})
    learner = school.learner("molora", place / "base", "sequential", adapter=adapter)
    learner.learn(_task("fr", "one"))
    code, said, told = mezzo("fold", "molora", "--no-exam")
    assert code == 0, told
    assert said.startswith("folded    fr: plain LoRA of rank 8 in folds/molora\n")  # two experts of rank 4
    code, said, _ = mezzo("fold", "--help")
    for kind in MIXTURES:
        assert kind in said.upper()


def test_killed_it_goes_on_with_what_is_missing(
    mezzo: Mezzo, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mezzofanti.adapters import Folded

    real, saved = Folded.save, []

    def save(self: Folded, folder: Path, **more: Any) -> Path:
        saved.append(Path(folder).name)
        if saved == ["fr", "es"]:
            raise KeyboardInterrupt
        return real(self, folder, **more)

    monkeypatch.setattr(Folded, "save", save)
    command = ("fold", place / "school", "--no-exam")
    assert mezzo(*command)[0] == 130
    assert list(read_json("folds/school/folds.json")["folds"]) == ["fr"]
    code, said, _ = mezzo(*command)
    assert (code, saved) == (0, ["fr", "es", "es"])
    assert mezzo(*command)[1] == said
    assert len(saved) == 3
    mezzo(*command, "--rank", 4)
    assert saved[3:] == ["fr", "es"]


def test_an_adapter_folds_with_rows_of_your_own(mezzo: Mezzo, place: Path) -> None:
    adapter = place / "school" / "tasks" / "02-two" / "adapter"
    rows = list(read_jsonl(place / "rows.jsonl"))
    long = {**rows[-1], "messages": [{"role": "user", "content": "?" * 2000}, rows[-1]["messages"][1]]}
    write_jsonl("some.jsonl", [*rows, long])
    command = ("fold", adapter, "--rows", "some.jsonl", "--only", "es", "--rank", 6, "--out", "mine")
    code, said, told = mezzo(*command)
    assert code == 0, told
    assert said.startswith("folded    es: plain LoRA of rank 6 in mine\nlost      es: KL ")
    assert "left out  es: 1 rows longer than max_length=1024 tokens\n" in said
    assert "cut       es: to rank 6, relative error of a layer 0." in said
    assert "exam" not in said
    assert read_json("mine/folds.json")["folds"]["es"]["calibration_rows"] == 25 - 5 - 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("school", "--by", "langauge"), "there is no --by langauge. Did you mean 'language'?"),
        (("school", "--how", "men"), "there is no --how men. Did you mean 'mean'?"),
        (("school", "--only", "fr,dr"), "no row has the language 'dr'. Did you mean 'fr'?"),
        (("school", "--rows", "mute.jsonl"), "3 of 4 rows in mute.jsonl have no language. Give each row"),
        (("school", "--rows", "empty.jsonl"), "empty.jsonl holds no rows."),
        (
            ("school", "--rows", "rows.jsonl", "--by", "task"),
            "rows of a file have no task. Use --by language",
        ),
        (("school", "--rows", "long.jsonl"), "all rows of fr are longer than max_length=64 tokens."),
        (("school", "--rank", "0"), "--rank 0 is not above 0. Give 1, 2, 3"),
        (
            ("plain",),
            "holds a LORA adapter, not a mixture of experts. It needs no folding: serve it as it is.",
        ),
        (("new",), "has learned nothing yet. Teach it: mezzo learn RECIPE"),
        (("base",), "base is no learner's folder and no adapter's."),
        (("school/tasks/02-two/adapter",), "remembers no rows to calibrate on. Name some with --rows FILE."),
    ],
)
def test_a_mistake_is_one_line(
    mezzo: Mezzo, place: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], words: str
) -> None:
    monkeypatch.chdir(place)
    code, said, told = mezzo("fold", *arguments, "--out", place / "never")
    lines = [line for line in told.splitlines() if line.strip() and not line.startswith("Loading weights")]
    assert (code, said, len(lines)) == (2, "", 1), told
    assert words in told
    assert not (place / "never").exists()


def test_the_benchmark_measures_every_way_to_fold(place: Path, tmp_path: Path) -> None:
    from benchmarks import folding

    from mezzofanti.continual.serving.source import open_source

    bench = folding.Bench(open_source(place / "school"), tmp_path)
    result = folding.table(bench, folding.run(bench))
    assert list(result["ways"]) == ["mean", "regression", "kl", "one for all"]
    for way in result["ways"].values():
        assert list(way) == list(LANGUAGES)
        assert all(one["questions"] == 6 and one["kl"] >= 0 for one in way.values())
    assert result["pooled"]["regression"]["questions"] == 12
    for language in LANGUAGES:
        own = result["ways"]["regression"][language]["kl"]
        assert result["elsewhere"][language][language] == pytest.approx(own, abs=1e-6)
        assert set(result["sweeps"][language]["rank"]) == {"8", "6", "4"}
    again = folding.Bench(open_source(place / "school"), tmp_path)
    assert folding.table(again, folding.run(again)) == result
    assert again.pupil is None
