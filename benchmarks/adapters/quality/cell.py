"""One job: a fresh adapter on the base learns mixed rows, is examined, and what it found is written down."""

from __future__ import annotations

import random
import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.adapters.contestants import config, freeze, matching_rank
from benchmarks.adapters.quality.prefix import FrozenPrefix
from benchmarks.adapters.quality.setting import Job, Setting, load
from benchmarks.adapters.rounds import run_rounds, seconds_of
from benchmarks.adapters.workloads import Racer, adapt
from benchmarks.record import tell
from mezzofanti.bases import resolve
from mezzofanti.continual.encoding import collator, encode, use_training_template
from mezzofanti.continual.loss import labelled_loss
from mezzofanti.continual.methods import create
from mezzofanti.continual.training import train
from mezzofanti.evaluation.exam import Answer, examine, score
from mezzofanti.evaluation.questions import Question
from mezzofanti.files import read_json, write_json, write_jsonl

__all__ = ["do_job", "do_timing", "mixed_batches", "rank_of_time", "time_rank", "timing_path"]

WARM_UP = 0.1
"""Of all steps, as in the paper."""
TIMED = ("malora", 1, 2, 3)
"""What is timed for `lora-time`: MALoRA, and LoRA of so many times the equal rank."""


def do_job(setting: Setting, job: Job) -> dict[str, Any]:
    """Run, or finish, one job; what it found lies in `found.json` of its folder."""
    place = setting.place(job)
    lessons = load(setting, job)
    tokenizer = _tokenizer(setting)
    rows = [row for task in lessons.rows.values() for row in task]
    encoded, dropped = encode(rows, tokenizer, max_length=setting.training.max_length)
    batches = mixed_batches(
        encoded, setting.studies[job.study].epochs, setting.training.per_device_train_batch_size, job.seed
    )
    model = _adapted(setting, job)
    prefix = FrozenPrefix(
        model.get_base_model().model,
        _layers(setting, model)[0],
        setting.folder / job.study / f"lower-layers-seed-{job.seed}.safetensors",
    )
    prefix.learn(encoded)
    with prefix.applied():
        seconds = _train(model, tokenizer, batches, setting, job)
    started = time.monotonic()
    answers = examine(
        model,
        tokenizer,
        lessons.papers,
        max_new_tokens=setting.training.max_new_tokens,
        batch_size=setting.training.per_device_eval_batch_size,
    )
    found = {
        **_scores(answers, lessons.papers),
        "seconds": seconds,
        "exam_seconds": time.monotonic() - started,
        "optimizer_steps": len(batches),
        "samples": sum(map(len, batches)),
        "rows": {name: len(task) for name, task in lessons.rows.items()},
        "dropped_rows": dropped,
        "layers_remembered": prefix.depth,
        "threads": torch.get_num_threads(),
        "learning_rate": job.rate,
        "rank": _rank(model),
        "trainable_parameters": sum(w.numel() for w in model.parameters() if w.requires_grad),
    }
    write_jsonl(place / "answers.jsonl", (answer.model_dump(mode="json") for answer in answers))
    write_json(place / "found.json", found)
    shutil.rmtree(place / "work", ignore_errors=True)
    return found


def mixed_batches(rows: Sequence[Any], epochs: int, size: int, seed: int) -> list[list[Any]]:
    """Return whole batches over `epochs` shuffles of all rows: every batch is a sample of the mixture.

    Sorting by length would spare padding and make batches of one task each, on which a load-balance loss would
    press every task over all experts.
    """
    draw = random.Random(seed)
    order: list[Any] = []
    for _ in range(epochs):
        order += draw.sample(list(rows), len(rows))
    return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]


def _tokenizer(setting: Setting) -> Any:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(resolve(setting.base).path)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    use_training_template(tokenizer)
    return tokenizer


def _base(setting: Setting) -> Any:
    from transformers import AutoModelForCausalLM

    fast = torch.cpu._is_avx512_bf16_supported() and setting.training.dtype != "float32"
    dtype = torch.bfloat16 if fast else torch.float32
    return AutoModelForCausalLM.from_pretrained(resolve(setting.base).path, dtype=dtype)


def _layers(setting: Setting, model: Any) -> list[int]:
    count = model.config.num_hidden_layers
    return list(range(count // 2 if setting.upper_half else 0, count))


def _adapted(setting: Setting, job: Job) -> Any:
    from peft import get_peft_model
    from transformers import set_seed

    model = _base(setting)
    layers = _layers(setting, model)
    name = "lora-equal" if job.kind == "single" else job.name
    chosen = config(
        name,
        equal=matching_rank(model, layers),
        time=time_rank(setting) if name == "lora-time" else None,
        layers=layers,
        dropout=setting.dropout,
    )
    set_seed(job.seed)
    return freeze(name, get_peft_model(model, chosen))


def _train(model: Any, tokenizer: Any, batches: list[list[Any]], setting: Setting, job: Job) -> float:
    """Train, going on from the last whole checkpoint; return the seconds since then."""
    started = time.monotonic()
    settings = setting.training.model_copy(
        update={
            "learning_rate": job.rate,
            "warmup_steps": round(WARM_UP * len(batches)),
            "padding_free": setting.studies[job.study].padding_free,
        }
    )
    train(
        model,
        tokenizer,
        batches,
        create({"type": "sequential"}),
        settings,
        work=setting.place(job) / "work",
        seed=job.seed,
        progress=lambda done, total: tell(" ".join(map(str, job)), done, total),
    )
    return time.monotonic() - started


def _scores(answers: Sequence[Answer], papers: dict[str, list[Question]]) -> dict[str, Any]:
    return {
        "scores": {name: score(answers, name) for name in papers},
        "questions": {name: len(paper) for name, paper in papers.items()},
        "majority": {name: _majority(paper) for name, paper in papers.items()},
    }


def _majority(paper: Sequence[Question]) -> float:
    """The score of whoever gives the exam's most frequent answer to every question."""
    counts = Counter(question.reference for question in paper)
    return counts.most_common(1)[0][1] / len(paper)


def _rank(model: Any) -> int:
    return int(next(iter(model.peft_config.values())).r)


def timing_path(setting: Setting) -> Path:
    """Where the rank of `lora-time` is noted."""
    return setting.folder / "timing.json"


def time_rank(setting: Setting) -> int | None:
    """The rank at which LoRA's step takes as long as MALoRA's; None where it is not measured yet.

    Where the timing's folder is gone, the rank of a cell that stands: all cells of `lora-time` have one rank.
    """
    path = timing_path(setting)
    if path.is_file():
        return int(read_json(path)["rank"])
    studies = read_json(setting.result)["studies"].values() if setting.result.is_file() else ()
    cells = [cell for study in studies for cell in study.get("cells", {}).get("lora-time", {}).values()]
    return int(cells[0]["rank"]) if cells else None


def do_timing(setting: Setting) -> dict[str, Any]:
    """Time MALoRA and LoRA of several ranks in interleaved rounds on a real batch, and note the rank of equal time."""
    study = next(iter(setting.studies))
    lessons = load(setting, Job("cell", study, "malora", 0, 0.0))
    tokenizer = _tokenizer(setting)
    encoded, _ = encode(
        [row for task in lessons.rows.values() for row in task],
        tokenizer,
        max_length=setting.training.max_length,
    )
    batch = mixed_batches(encoded, 1, setting.training.per_device_train_batch_size, 0)[0]
    base = _base(setting)
    layers = _layers(setting, base)
    equal = matching_rank(base, layers)
    names = ["malora", *(f"lora-r{times * equal}" for times in TIMED[1:])]

    def build() -> list[Racer]:
        inputs = _collated(tokenizer, batch)
        options = {"layers": layers, "dropout": setting.dropout}
        return [
            Racer(name, adapt(name, base, **options), lambda model: labelled_loss(model, inputs))
            for name in names
        ]

    journal = timing_path(setting).with_suffix(".jsonl")
    rows = run_rounds(build, journal, setting.timing_rounds, lambda done, total: tell("timing", done, total))
    medians = {name: float(np.median(seconds_of(rows, name))) for name in names}
    ranks = [times * equal for times in TIMED[1:]]
    rank = rank_of_time(ranks, [medians[f"lora-r{rank}"] for rank in ranks], medians["malora"])
    found = {"rank": rank, "equal_rank": equal, "median_seconds": medians, "rounds": len(rows)}
    found["largest_considered"] = 2 * max(ranks)
    write_json(timing_path(setting), found)
    return found


def rank_of_time(ranks: Sequence[int], seconds: Sequence[float], wanted: float) -> int:
    """Return the rank whose step takes `wanted` seconds, on a straight line through the timed ones.

    At least 1 and at most twice the largest timed rank, also where time does not grow with the rank: beyond that
    a line says nothing. The result file states that bound.
    """
    slope, start = np.polyfit(ranks, seconds, 1)
    if slope <= 0:
        return 2 * max(ranks)
    return int(min(max(round((wanted - start) / slope), 1), 2 * max(ranks)))


def _collated(tokenizer: Any, batch: Sequence[Any]) -> Any:
    return collator(tokenizer)([dict(row) for row in batch])
