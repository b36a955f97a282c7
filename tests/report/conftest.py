"""Learners' folders made up for the report's tests: the numbers of a real run, the answers computed to fit them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from num2words import num2words

from mezzofanti.files import write_json, write_jsonl

TASKS = ("english", "french", "spanish")
CODES = {"english": "en", "french": "fr", "spanish": "es", "chinese": "zh"}
PHRASES = {
    "english": "Write {} in words.",
    "french": "Écris {} en lettres.",
    "spanish": "Escribe {} con letras.",
}
QUESTIONS = 30
ROWS = {
    "sequential": [[0, 0, 0], [0.93, 0.03, 0], [0.1, 0.53, 0], [0, 0.02, 0.83]],
    "replay": [[0, 0, 0], [0.93, 0.03, 0], [0.93, 0.5, 0.07], [0.97, 0.58, 0.87]],
    "recurrent-kif": [[0, 0, 0], [0.93, 0.03, 0], [0.93, 0.48, 0.03], [0.95, 0.72, 0.77]],
    "joint": [[0, 0, 0], [0.93, 0.03, 0], [0.97, 0.67, 0.03], [0.97, 0.75, 0.87]],
}
LOADS = {
    "english": {"a.q_proj": [0.5, 0.5, 0.0], "b.q_proj": [1.0, 0.0, 0.0]},
    "french": {"a.q_proj": [0.5, 0.5, 0.0], "b.q_proj": [0.0, 0.25, 0.75]},
    "spanish": {"a.q_proj": [0.5, 0.5, 0.0], "b.q_proj": [0.0, 0.5, 0.5]},
}
ENTROPIES = {"english": 0.25, "french": 0.5, "spanish": 0.75}
Maker = Callable[..., Path]


def numbers(task: str) -> list[int]:
    """The numbers a task's exam asks for: 314 and 29 more, in an order that only the task decides."""
    asked = [314, *range(117, 987, 30)][:QUESTIONS]
    return sorted(asked, key=lambda number: hashlib.sha256(f"{task} {number}".encode()).hexdigest())


def answers(row: list[float], moment: int, tasks: tuple[str, ...], hostile: str = "") -> list[dict[str, Any]]:
    """One exam: the first `score` of each task's questions right, the others in the language learned last."""
    drift = CODES[tasks[max(moment - 1, 0)]]
    rows = []
    for task, score in zip(tasks, row, strict=True):
        for rank, number in enumerate(numbers(task)):
            right = rank < round(score * QUESTIONS)
            reference = num2words(number, lang=CODES[task])
            wrong = (
                "Sure! Here is how I would write it." if moment == 0 else num2words(number + 7, lang=drift)
            )
            rows.append(
                {
                    "task": task,
                    "id": f"{task}-cardinal-{number}",
                    "prompt": PHRASES[task].format(number),
                    "reference": reference,
                    "answer": reference if right else hostile or wrong,
                    "score": float(right),
                    "group": "derivable",
                }
            )
        for name in ("DE", "JP"):
            extra = {"task": task, "id": f"{task}-{name}", "prompt": f"Country {name}?", "reference": name}
            rows.append({**extra, "answer": name, "score": float(name == "DE"), "group": "recall"})
    return rows


def write_task(folder: Path, index: int, task: str, exam: list[dict[str, Any]], hostile: str) -> None:
    """One task's folder as a learner leaves it."""
    place = folder / "tasks" / f"{index:02d}-{task}"
    write_jsonl(place / "answers.jsonl", exam)
    if index == 0:
        return
    number = 200 + index
    write_jsonl(
        place / "sample-rows.jsonl",
        [
            {
                "messages": [
                    {"role": "user", "content": PHRASES[task].format(number)},
                    {"role": "assistant", "content": hostile or num2words(number, lang=CODES[task])},
                ],
                "lineage": {"source": "almanac", "license": "Apache-2.0", "template": True, "teacher": ""},
                "language": CODES[task],
                "skill": "cardinal",
            },
            {
                "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}],
                "lineage": {"source": "wikipedia", "license": "CC BY-SA 4.0", "teacher": "smollm2-135m"},
            },
        ],
    )
    write_jsonl(folder / "memory" / f"{index:02d}-{task}.jsonl", [{"row": row} for row in range(60)])


def make_learner(
    folder: Path,
    method: str,
    *,
    rows: list[list[float]] | None = None,
    adapter: str = "lora",
    seed: int = 0,
    done: int | None = None,
    tasks: tuple[str, ...] = TASKS,
    hostile: str = "",
) -> Path:
    """Write a learner's folder of `method`, finished or (`done`) on its way."""
    kept = (rows or ROWS[method])[: None if done is None else done + 1]
    matrix = {"schema": 1, "method": method, "adapter": adapter, "seed": seed, "tasks": list(tasks)}
    write_json(folder / "matrix.json", {**matrix, "questions": [QUESTIONS] * len(tasks), "rows": kept})
    for index, row in enumerate(kept):
        task = "before" if index == 0 else tasks[index - 1]
        write_task(folder, index, task, answers(row, index, tasks, hostile), hostile)
    cost = {"seconds": 66.5, "exam_seconds": 20.1, "samples": 640, "optimizer_steps": 80, "outer_steps": 0}
    more = {"memory_rows": 60, "learning_rate": 0.002, "trainable_parameters": 1_228_800}
    write_jsonl(
        folder / "history.jsonl",
        [{"task": t, "index": i, **cost, **more} for i, t in enumerate(tasks)][: len(kept) - 1],
    )
    settings = {
        "schema": 1,
        "base": {"name": "smollm2-135m", "origin": "package index, Q4_1 file", "license": "Apache-2.0"},
        "method": {
            "type": method,
            **({"inner_steps": 8, "outer_steps": 4} if method == "recurrent-kif" else {}),
        },
        "adapter": {"type": adapter, "rank": 16},
        "training": {"batch_size": 8, "steps": 80},
        "seed": seed,
        "versions": {"torch": "2.13.0", "transformers": "5.23.0"},
        "machine": "2 cores",
    }
    (folder / "learner.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
    return folder


@pytest.fixture
def learner(tmp_path: Path) -> Maker:
    """A maker of learners' folders."""

    def make(method: str, name: str = "", **options: Any) -> Path:
        return make_learner(tmp_path / (name or method), method, **options)

    return make


@pytest.fixture
def school(learner: Maker) -> list[Path]:
    """Sequential, Replay and Recurrent-KIF after English, French, Spanish."""
    return [learner(method) for method in ("sequential", "replay", "recurrent-kif")]


@pytest.fixture
def routed() -> Callable[[Path], Path]:
    """Give a learner's folder what its routers did for three tasks after the last one."""

    def write(folder: Path) -> Path:
        groups = [
            {
                "task": task,
                "language": CODES[task],
                "rows": 12,
                "routing_entropy": ENTROPIES[task],
                "routing_dead_experts": sum(share == 0 for load in loads.values() for share in load),
                "load": loads,
            }
            for task, loads in LOADS.items()
        ]
        write_json(folder / "tasks" / "03-spanish" / "routing.json", {"schema": 1, "groups": groups})
        return folder

    return write
