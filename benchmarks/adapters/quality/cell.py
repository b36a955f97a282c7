"""One job: a fresh adapter on the base learns mixed rows, is examined, and what it found is written down."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from benchmarks.adapters.contestants import config, freeze, matching_rank
from benchmarks.adapters.quality.prefix import FrozenPrefix
from benchmarks.adapters.quality.pupil import (
    adapted_layers,
    base_model,
    encoded_rows,
    mixed_batches,
    tokenizer_of,
)
from benchmarks.adapters.quality.setting import Job, Setting, load
from benchmarks.adapters.quality.timing import time_rank
from benchmarks.record import tell
from mezzofanti.continual.methods import create
from mezzofanti.continual.training import train
from mezzofanti.evaluation.exam import Answer, examine, score
from mezzofanti.evaluation.questions import Question
from mezzofanti.files import write_json, write_jsonl

__all__ = ["do_job"]

WARM_UP = 0.1
"""Of all steps, as in the paper."""


def do_job(setting: Setting, job: Job) -> dict[str, Any]:
    """Run, or finish, one job; what it found lies in `found.json` of its folder."""
    place = setting.place(job)
    lessons = load(setting, job)
    tokenizer = tokenizer_of(setting)
    encoded, dropped = encoded_rows(setting, lessons, tokenizer)
    batches = mixed_batches(
        encoded, setting.studies[job.study].epochs, setting.training.per_device_train_batch_size, job.seed
    )
    model = _adapted(setting, job)
    prefix = FrozenPrefix(
        model.get_base_model().model,
        adapted_layers(setting, model)[0],
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


def _adapted(setting: Setting, job: Job) -> Any:
    from peft import get_peft_model
    from transformers import set_seed

    model = base_model(setting)
    layers = adapted_layers(setting, model)
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
