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


@pytest.mark.parametrize("method", ["lora", "dora", "asylora", "molora", "malora", "malora-small"])
def test_trained_shares_are_the_papers(method: str, llama: Any) -> None:
    recipe = Reproduction.load(ACROSS)
    base = sum(weight.numel() for weight in llama.parameters())
    adapted = recipe.adapters[method].adapt(copy.deepcopy(llama), recipe.modules, low_cpu_mem_usage=True)
    trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    # B alone of rank 128 is 2.28 %; the paper prints 2.2 for its AsyLoRA
    printed = 2.28 if method == "asylora" else recipe.paper_results[method]["parameters"]
    assert 100 * trained / (base + trained) == pytest.approx(printed, abs=0.06)


@pytest.mark.parametrize(
    ("path", "method"),
    [(ACROSS, "malora"), (ACROSS, "asylora"), (WITHIN, "malora-10-48"), (WITHIN, "molora")],
)
def test_recipe_runs_on_a_stand_in(
    path: Path, method: str, tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    reproduce.add_options(parser)
    asked = ["--method", method, "--base", str(tiny_base), "--stand-in", "2", "--folder", str(tmp_path)]
    reproduce.main(parser.parse_args([str(path), *asked]))
    recipe = Reproduction.load(path)
    found = read_json(tmp_path / recipe.name / method / "found.json")
    exams = {exam.name for exam in recipe.exams}
    assert set(found["scores"]) | set(found["not_scored"]) == exams
    assert set(found["not_scored"]) <= {"e2e"}  # ROUGE-L is not among what the project installs
    rows = 2 * len(recipe.training_sets) * recipe.training.epochs
    assert found["optimizer_steps"] == rows // recipe.training.batch_size
    assert found["paper"] == recipe.paper_results[method]
    assert f"| {recipe.exams[0].name} |" in capsys.readouterr().out


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
