"""The paper's own tables, for whoever has a GPU and the hub: recipes in recipes/reproduce.

    python -m benchmarks.adapters reproduce recipes/reproduce/malora-across-domains.yaml --plan
    python -m benchmarks.adapters reproduce recipes/reproduce/malora-across-domains.yaml --method malora --folder out
    python -m benchmarks.adapters reproduce recipes/reproduce/malora-within-domain.yaml --method malora --stand-in 8

`--plan` says what a run takes and loads nothing. `--stand-in ROWS` runs everything on so many copies of every set's
example row instead of the hub's data, in a folder of its own: it shows that the recipe runs, and nothing about the
method. One process, one GPU; a killed run goes on from its last checkpoint. A method that learns every set alone is
one model a set, and each is asked the exams of its set.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from benchmarks.adapters.quality.pupil import mixed_batches
from benchmarks.adapters.reproduction import (
    DataSet,
    Exam,
    Part,
    Reproduction,
    hub_rows,
    messages,
    scorer,
    stand_in_rows,
)
from benchmarks.record import WORK, circumstances, tell
from mezzofanti.bases import resolve
from mezzofanti.continual import TrainingSettings
from mezzofanti.continual.encoding import encode_messages, use_training_template
from mezzofanti.continual.methods import create
from mezzofanti.continual.training import train
from mezzofanti.errors import ConfigurationError, MezzofantiError, nearest
from mezzofanti.evaluation.generation import answer
from mezzofanti.files import read_json, write_json

__all__ = ["add_options", "main", "plan", "run"]

COMMAND = "python -m benchmarks.adapters reproduce"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--plan", action="store_true", help="say what a run takes, and run nothing")
    parser.add_argument("--method", default="malora", help="one of the recipe's adapters")
    parser.add_argument("--base", help="another base than the recipe's: a folder or a hub id")
    parser.add_argument("--stand-in", type=int, metavar="ROWS", help="copies of the example rows, no hub")
    parser.add_argument("--folder", type=Path, default=WORK / "reproduce")


def main(options: argparse.Namespace) -> None:
    """Plan or run one method of one recipe."""
    recipe = Reproduction.load(options.recipe)
    if options.plan:
        print(plan(recipe))
        return
    # a run on the hub's rows must not go on from what a stand-in left
    name = recipe.name if options.stand_in is None else f"{recipe.name}-stand-in"
    folder = options.folder / name / options.method
    found = run(recipe, options.method, folder, base=options.base, stand_in=options.stand_in)
    print(table(found))


def plan(recipe: Reproduction) -> str:
    """Rows, steps, tokens and GPU hours of one method, from the paper's seconds a token."""
    rows = sum(one.rows for one in recipe.training_sets)
    samples = rows * recipe.training.epochs
    tokens = samples * recipe.cost.tokens_per_row
    hours = tokens * recipe.cost.seconds_per_token / 3600
    asked = sum(exam.rows for exam in recipe.exams)
    lines = [f"{recipe.name}: {recipe.paper.results} of arXiv:{recipe.paper.arxiv}, {recipe.base}"]
    lines += [
        f"{rows:,} rows of {len(recipe.training_sets)} sets, {recipe.training.epochs} epochs: {samples:,} rows"
    ]
    lines += [
        f"{samples // recipe.training.batch_size:,} optimizer steps, about {tokens / 1e6:.0f} million tokens"
    ]
    lines += [f"about {recipe.cost.gpus * hours:.0f} hours of one {recipe.cost.gpu} a method, "]
    lines[-1] += f"by the paper's {1e6 * recipe.cost.seconds_per_token:.0f} µs a token on {recipe.cost.gpus}"
    lines += [f"{asked:,} exam questions", f"methods: {', '.join(recipe.adapters)}"]
    return "\n".join(lines)


def run(
    recipe: Reproduction, method: str, folder: Path, *, base: str | None = None, stand_in: int | None = None
) -> dict[str, Any]:
    """Train one method and sit every exam; the result also lies in `folder/found.json`.

    Raises `ConfigurationError` for an unknown method, or where the rows make no batch.
    """
    if method not in recipe.adapters:
        raise ConfigurationError(
            f"{recipe.name} has no method {method!r}.", cure=nearest(method, recipe.adapters)
        )
    place = resolve(base or recipe.base)
    asked = {
        "recipe": recipe.name,
        "method": method,
        "base": place.origin or str(base or recipe.base),
        "stand_in_rows": stand_in,
    }
    models = [_part(recipe, part, folder, str(place.path), asked) for part in recipe.parts(method)]
    scores = {name: percent for model in models for name, percent in model["scores"].items()}
    found = {
        "schema": 1,
        **circumstances(COMMAND),
        **asked,
        "models": len(models),
        "optimizer_steps": sum(model["optimizer_steps"] for model in models),
        "dropped_rows": sum(model["dropped_rows"] for model in models),
        "trainable_parameters": models[0]["trainable_parameters"],
        "scores": scores,
        "not_scored": {name: why for model in models for name, why in model["not_scored"].items()},
        "average": _average(scores, recipe.paper_results[method], len(recipe.exams)),
        "paper": recipe.paper_results[method],
    }
    write_json(folder / "found.json", found)
    return found


def _part(recipe: Reproduction, part: Part, folder: Path, base: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Train and examine one model. Of several, one that is done is not made again."""
    path = folder / part.name / "found.json"
    if part.name and path.is_file() and asked.items() <= (known := read_json(path)).items():
        return dict(known)
    found = {**asked, **_taught(recipe, part, path.parent, base, asked)}
    if part.name:
        write_json(path, found)
    return found


def _taught(
    recipe: Reproduction, part: Part, folder: Path, base: str, asked: dict[str, Any]
) -> dict[str, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = recipe.chat_template
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    use_training_template(tokenizer)
    dtype = torch.bfloat16 if torch.cuda.is_available() else torch.float32
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    set_seed(recipe.seed)
    model = recipe.adapters[asked["method"]].adapt(model, recipe.modules)
    if torch.cuda.is_available():
        model.to("cuda")
    batches, dropped = _batches(recipe, part, tokenizer, asked["stand_in_rows"])
    settings = recipe.training.settings(len(batches))
    _learn(model, tokenizer, batches, settings, folder / "work", recipe.seed)
    model.save_pretrained(folder / "adapter")
    return {
        "optimizer_steps": len(batches),
        "dropped_rows": dropped,
        "trainable_parameters": sum(w.numel() for w in model.parameters() if w.requires_grad),
        **_sit(model, tokenizer, part.exams, recipe.seed, asked["stand_in_rows"]),
    }


def _average(scores: dict[str, float], paper: dict[str, float], exams: int) -> dict[str, Any] | None:
    """The mean over the exams that were scored, here and in the paper; None where there is none."""
    if not scores:
        return None
    if len(scores) == exams:
        printed: float | None = paper.get("average")
    else:  # the paper's own average holds exams that were not scored here
        printed = mean(paper[name] for name in scores) if scores.keys() <= paper.keys() else None
    return {"scored": len(scores), "exams": exams, "here": mean(scores.values()), "paper": printed}


def _rows(source: DataSet, seed: int, stand_in: int | None) -> list[dict[str, Any]]:
    return hub_rows(source, seed) if stand_in is None else stand_in_rows(source, stand_in)


def _batches(
    recipe: Reproduction, part: Part, tokenizer: Any, stand_in: int | None
) -> tuple[list[list[Any]], int]:
    """Whole mixed batches of a part's sets, and how many rows were too long and left out."""
    rows = [
        encode_messages(messages(source, row), tokenizer)
        for source in part.training_sets
        for row in _rows(source, recipe.seed, stand_in)
    ]
    kept = [row for row in rows if len(row["input_ids"]) <= recipe.training.max_length]
    batches = mixed_batches(kept, recipe.training.epochs, recipe.training.batch_size, recipe.seed)
    if not batches:
        raise ConfigurationError(
            f"{len(kept)} rows, {recipe.training.epochs} times over, make no batch of {recipe.training.batch_size}.",
            cure="Give --stand-in more rows, or a recipe a larger max_length.",
        )
    return batches, len(rows) - len(kept)


def _learn(
    model: Any, tokenizer: Any, batches: list[list[Any]], settings: TrainingSettings, work: Path, seed: int
) -> None:
    def progress(done: int, total: int) -> None:
        tell("steps", done, total)

    method = create({"type": "sequential"})
    train(model, tokenizer, batches, method, settings, work=work, seed=seed, progress=progress)


def _sit(
    model: Any, tokenizer: Any, exams: Sequence[Exam], seed: int, stand_in: int | None
) -> dict[str, dict[str, Any]]:
    """Score every exam, in per cent; one whose scorer is not installed is named with the reason."""
    scores: dict[str, float] = {}
    not_scored: dict[str, str] = {}
    for exam in exams:
        try:
            worth = scorer(exam)
        except MezzofantiError as error:
            not_scored[exam.name] = str(error)
            continue
        rows = _rows(exam, seed, stand_in)
        said = [messages(exam, row) for row in rows]
        answers = answer(
            model,
            tokenizer,
            [turns[0]["content"] for turns in said],
            max_new_tokens=exam.max_new_tokens,
            batch_size=16,
            one_line=exam.max_new_tokens < 16,
        )
        points = [
            worth(row, turns[1]["content"], words)
            for row, turns, words in zip(rows, said, answers, strict=True)
        ]
        scores[exam.name] = 100 * sum(points) / len(points)
    return {"scores": scores, "not_scored": not_scored}


def table(found: dict[str, Any]) -> str:
    """The new figures beside the paper's, as Markdown."""
    lines = ["| exam | here, % | the paper, % |", "|---|---:|---:|"]
    for exam, percent in found["scores"].items():
        lines.append(f"| {exam} | {percent:.1f} | {found['paper'].get(exam, '')} |")
    if average := found["average"]:
        whole = average["scored"] == average["exams"]
        what = "average" if whole else f"average of {average['scored']} of {average['exams']}"
        printed = "" if average["paper"] is None else f"{average['paper']:.2f}".removesuffix("0")
        lines.append(f"| {what} | {average['here']:.1f} | {printed} |")
    lines += [f"not scored: {name}: {why}" for name, why in found["not_scored"].items()]
    return "\n".join(lines)
