"""The reproduction kit: recipes that are read, agree with the paper's counts, and run on a tiny stand-in."""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from benchmarks.adapters import reproduce
from benchmarks.adapters.parameters import llama2_7b
from benchmarks.adapters.reproduction import Reproduction, messages, scorer

from mezzofanti.errors import ConfigurationError
from mezzofanti.files import read_json

FOLDER = Path(__file__).parents[1] / "recipes" / "reproduce"
ACROSS, WITHIN = (FOLDER / f"malora-{name}.yaml" for name in ("across-domains", "within-domain"))


@pytest.fixture(scope="module")
def llama() -> Any:
    return llama2_7b()


@pytest.mark.parametrize("path", [ACROSS, WITHIN], ids=lambda path: path.stem)
def test_recipe_is_read_and_says_what_it_takes(path: Path) -> None:
    recipe = Reproduction.load(path)
    assert set(recipe.adapters) >= {"lora", "dora", "asylora", "molora", "malora"}
    if path == ACROSS:  # every row of table 1 but the base's can be run
        assert set(recipe.paper_results) == {*recipe.adapters, "base"}
        assert set(recipe.adapters) >= {"moasylora", "malora-small", "lora-alone", "asylora-alone"}
    said = reproduce.plan(recipe)
    assert "of one A100 a method" in said
    for source in (*recipe.training_sets, *recipe.exams):
        asked, right = messages(source, source.example)
        assert asked["content"]
        assert right["content"]


def test_plan_by_hand() -> None:
    said = reproduce.plan(Reproduction.load(ACROSS))
    assert "180,000 rows of 6 sets, 3 epochs: 540,000 rows" in said
    assert "135,000 optimizer steps, about 135 million tokens" in said
    assert "about 134 hours of one A100" in said  # 135e6 * 896.4e-6 s * 4 / 3600


@pytest.mark.parametrize("path", [ACROSS, WITHIN], ids=lambda path: path.stem)
def test_the_papers_averages_are_those_of_its_figures(path: Path) -> None:
    for figures in Reproduction.load(path).paper_results.values():
        scores = [value for name, value in figures.items() if name not in ("parameters", "average")]
        if scores:
            assert sum(scores) / len(scores) == pytest.approx(figures["average"], abs=0.06)


@pytest.mark.parametrize(
    "method", ["lora", "dora", "asylora", "moasylora", "molora", "malora", "malora-small"]
)
def test_trained_shares_are_the_papers(method: str, llama: Any) -> None:
    recipe = Reproduction.load(ACROSS)
    base = sum(weight.numel() for weight in llama.parameters())
    adapted = recipe.adapters[method].adapt(copy.deepcopy(llama), recipe.modules, low_cpu_mem_usage=True)
    trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    # B alone of rank 128 is 2.28 %, of eight times 16 with a router 2.40; the paper prints 2.2 and 2.3
    counted = {"asylora": 2.28, "moasylora": 2.40}
    printed = counted.get(method, recipe.paper_results[method]["parameters"])
    assert 100 * trained / (base + trained) == pytest.approx(printed, abs=0.06)


def methods_of(path: Path) -> list[str]:
    return list(yaml.safe_load(path.read_text("utf-8"))["adapters"])


def sat(path: Path, method: str, folder: Path, base: Path) -> dict[str, Any]:
    """Run a recipe as a user does, on two copies of each example; return what it found."""
    parser = argparse.ArgumentParser()
    reproduce.add_options(parser)
    asked = ["--method", method, "--base", str(base), "--stand-in", "2", "--folder", str(folder)]
    reproduce.main(parser.parse_args([str(path), *asked]))
    name = Reproduction.load(path).name
    assert not (folder / name).exists()  # where a run on the hub's rows would go on
    found: dict[str, Any] = read_json(folder / f"{name}-stand-in" / method / "found.json")
    return found


def hurried(path: Path, folder: Path) -> Path:
    """The same recipe with answers of four tokens: a model that learned nothing never ends its own."""
    settings = yaml.safe_load(path.read_text("utf-8"))
    for exam in settings["exams"]:
        exam["max_new_tokens"] = 4
    written = folder / path.name
    written.write_text(yaml.safe_dump(settings), "utf-8")
    return written


@pytest.mark.parametrize(
    ("path", "method"),
    [pytest.param(path, method, id=method) for path in (ACROSS, WITHIN) for method in methods_of(path)],
)
def test_every_method_of_every_recipe_runs_on_a_stand_in(
    path: Path, method: str, tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = sat(hurried(path, tmp_path), method, tmp_path, tiny_base)
    recipe = Reproduction.load(path)
    exams = {exam.name for exam in recipe.exams}
    assert set(found["scores"]) | set(found["not_scored"]) == exams
    assert set(found["not_scored"]) <= {"e2e"}  # ROUGE-L is not among what the project installs
    rows = 2 * recipe.training.epochs  # of a set
    sizes = [rows] * len(recipe.training_sets) if recipe.adapters[method].alone else []
    sizes = sizes or [rows * len(recipe.training_sets)]
    assert found["models"] == len(sizes)
    assert found["optimizer_steps"] == sum(size // recipe.training.batch_size for size in sizes)
    assert found["paper"] == recipe.paper_results[method]
    scored = len(found["scores"])
    assert found["average"]["here"] == pytest.approx(sum(found["scores"].values()) / scored)
    said = capsys.readouterr().out
    assert f"| {recipe.exams[0].name} |" in said
    what = "average" if scored == len(exams) else f"average of {scored} of {len(exams)}"
    assert f"| {what} | {found['average']['here']:.1f} |" in said


def test_a_recipe_runs_with_the_answers_it_asks_for(tiny_base: Path, tmp_path: Path) -> None:
    assert sat(ACROSS, "malora", tmp_path, tiny_base)["scores"]


def test_alone_every_set_has_a_model_that_is_asked_what_it_teaches() -> None:
    recipe = Reproduction.load(ACROSS)
    asked = {part.name: [exam.name for exam in part.exams] for part in recipe.parts("lora-alone")}
    assert asked == {
        "medmcqa": ["medmcqa"],
        "magicoder": ["humaneval"],
        "finance-alpaca": ["phrasebank"],
        "metamathqa": ["gsm8k"],
        "alpaca-gpt4": ["arc-challenge", "arc-easy"],
        "e2e": ["e2e"],
    }
    assert all(
        [part.name] == [source.name for source in part.training_sets] for part in recipe.parts("lora-alone")
    )
    (whole,) = recipe.parts("lora")
    assert (whole.training_sets, whole.exams) == (recipe.training_sets, recipe.exams)


def test_of_several_models_those_that_are_done_are_not_made_again(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Reproduction.load(hurried(ACROSS, tmp_path))
    learned: list[str] = []

    def taught(recipe: Reproduction, part: Any, *_: Any) -> dict[str, Any]:
        learned.append(part.name)
        if len(learned) == 3:
            raise KeyboardInterrupt
        counts = {"optimizer_steps": 1, "dropped_rows": 0, "trainable_parameters": 7}
        return {**counts, "scores": {exam.name: 50.0 for exam in part.exams}, "not_scored": {}}

    monkeypatch.setattr(reproduce, "_taught", taught)
    with pytest.raises(KeyboardInterrupt):
        reproduce.run(recipe, "lora-alone", tmp_path, base=str(tiny_base), stand_in=2)
    found = reproduce.run(recipe, "lora-alone", tmp_path, base=str(tiny_base), stand_in=2)
    sets = [source.name for source in recipe.training_sets]
    assert learned == [*sets[:3], *sets[2:]]
    assert found["average"] == {"scored": 7, "exams": 7, "here": 50.0, "paper": 57.0}
    assert reproduce.table(found).endswith("| average | 50.0 | 57.0 |")
    reproduce.run(recipe, "lora-alone", tmp_path, base=str(tiny_base), stand_in=3)
    assert learned[-6:] == sets  # other rows: all anew


def test_an_average_is_set_beside_the_papers_over_the_same_exams() -> None:
    paper = {"a": 10.0, "b": 30.0, "c": 80.0, "parameters": 2.1, "average": 40.0}
    assert reproduce._average({"a": 1.0, "b": 3.0, "c": 8.0}, paper, 3) == {
        **{"scored": 3, "exams": 3, "here": 4.0, "paper": 40.0}
    }
    assert reproduce._average({"a": 1.0, "b": 3.0}, paper, 3) == {
        **{"scored": 2, "exams": 3, "here": 2.0, "paper": 20.0}
    }
    of_two = reproduce._average({"a": 1.0, "d": 3.0}, paper, 3)
    assert of_two == {"scored": 2, "exams": 3, "here": 2.0, "paper": None}
    found = {"scores": {"a": 1.0, "d": 3.0}, "not_scored": {}, "paper": paper, "average": of_two}
    assert reproduce.table(found).endswith("| average of 2 of 3 | 2.0 |  |")
    assert reproduce._average({}, paper, 3) is None


def test_rows_that_make_no_batch_are_named(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="1 rows, 3 times over, make no batch of 4"):
        reproduce.run(Reproduction.load(ACROSS), "lora-alone", tmp_path, base=str(tiny_base), stand_in=1)


def test_moasylora_trains_no_a(tiny_model: Any) -> None:
    recipe = Reproduction.load(ACROSS)
    adapted = recipe.adapters["moasylora"].adapt(tiny_model, recipe.modules)
    trained = {name.split(".")[-3] for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert trained == {"molora_B", "molora_router"}


def test_asylora_keeps_a_as_it_was_drawn(tiny_model: Any) -> None:
    recipe = Reproduction.load(ACROSS)
    adapted = recipe.adapters["asylora"].adapt(tiny_model, recipe.modules)
    trained = {name.split(".")[-3] for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert trained == {"lora_B"}


def test_a_right_answer_is_worth_one() -> None:
    recipe = Reproduction.load(ACROSS)
    for exam in recipe.exams:
        if exam.scorer in ("rouge-l", "humaneval"):
            continue
        right = messages(exam, exam.example)[1]["content"]
        assert scorer(exam)(exam.example, right, right) == 1
        assert scorer(exam)(exam.example, right, "neither 17") == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"sead": 1}, "unknown key 'sead'. Did you mean 'seed'?"),
        ({"paper_results": {"malora": {"mmlu": 1.0}}}, "names 'mmlu', which is no exam"),
        ({"paper_results": {}}, "no figures of"),
        (
            {"adapters": {"lora": {"type": "lora", "r": 1, "lora_alpha": 1, "ablation": "same-A"}}},
            "is a mixture's",
        ),
        (
            {"adapters": {"lora": {"type": "malora", "r": 1, "lora_alpha": 1, "ablation": "sameA"}}},
            "ablation",
        ),
        ({"training_sets": []}, "exam medmcqa is taught by 'medmcqa', which is no training set"),
    ],
)
def test_a_mistake_is_named(change: dict[str, Any], says: str, tmp_path: Path) -> None:
    settings = {**yaml.safe_load(ACROSS.read_text("utf-8")), **change}
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        Reproduction.load(path)
    assert says in str(caught.value)


def test_a_template_that_its_example_cannot_fill_is_named(tmp_path: Path) -> None:
    settings = yaml.safe_load(ACROSS.read_text("utf-8"))
    settings["training_sets"][0]["prompt"] = "{title}"
    path = tmp_path / "r.yaml"
    path.write_text(yaml.safe_dump(settings), "utf-8")
    with pytest.raises(ConfigurationError, match="example of medmcqa cannot be told"):
        Reproduction.load(path)


def test_an_unknown_method_is_named(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="malorra"):
        reproduce.run(Reproduction.load(ACROSS), "malorra", tmp_path, base=str(tiny_base), stand_in=1)
