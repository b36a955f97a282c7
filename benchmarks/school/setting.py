"""What is fixed: languages, sizes, methods, adapters, rates, and where everything lies."""

from __future__ import annotations

from pathlib import Path

from benchmarks.record import RESULTS, WORK
from mezzofanti.continual import AdapterSettings, Task, TaskStream
from mezzofanti.corpus.sources.almanac import Almanac
from mezzofanti.evaluation.suites.almanac import LANGUAGE_NAMES, load_task, question, sample

LANGUAGES = ("en", "fr", "es", "de")
SKILLS = ("cardinal", "date")
TRAIN_ROWS, VALIDATION_ROWS, QUESTIONS, MEMORY_ROWS = 640, 40, 120, 60
RATES = (1e-3, 2e-3, 4e-3)
SEEDS = (0, 1, 2)
METHODS = ("sequential/lora", "replay/lora", "recurrent-kif/lora", "recurrent-kif/malora", "joint/lora")
ADAPTERS = {
    "lora": AdapterSettings(type="lora", r=16, lora_alpha=32, layers="upper-half"),
    # four experts of rank 4 over a shared projection of rank 12: as many parameters as LoRA of rank 16
    "malora": AdapterSettings(
        type="malora", r=4, lora_alpha=8, num_experts=4, top_k=2, shared_rank=12, layers="upper-half"
    ),
}
RESULT = RESULTS / "school.json"
FOLDER = WORK / "school"
Job = tuple[str, str, int, float, str]


def stream(seed: int, *, validation: bool = False) -> TaskStream:
    """The four languages. With `validation`, the first two are examined on rows cut from their training rows."""
    return TaskStream([_task(code, index, seed, validation) for index, code in enumerate(LANGUAGES)])


def _task(code: str, index: int, seed: int, validation: bool) -> Task:
    train, test = load_task(code, skills=SKILLS, train_rows=TRAIN_ROWS, questions=QUESTIONS, seed=seed)
    if validation:
        drawn = Almanac(code).lessons(skills=SKILLS, count=TRAIN_ROWS + VALIDATION_ROWS, seed=seed)
        held = drawn[TRAIN_ROWS:] if index < 2 else drawn[TRAIN_ROWS : TRAIN_ROWS + 1]
        assert [sample(lesson) for lesson in drawn[:TRAIN_ROWS]] == train
        test = [question(lesson, group="derivable") for lesson in held]
    return Task(name=LANGUAGE_NAMES[code], train=tuple(train), test=tuple(test))


def shares_first_task(cell: str) -> bool:
    """Methods that begin without a memory learn the first task alike, if their adapter is the same."""
    return cell.endswith("/lora") and cell != "joint/lora"


def first_folder(seed: int, rate: float, kind: str) -> Path:
    """Where the shared first task lies; `kind` is "search" or "cells"."""
    return FOLDER / kind / f"first-task-lora-{rate:g}-seed-{seed}"


def cell_folder(cell: str, seed: int, rate: float, kind: str) -> Path:
    """Where a cell's learner lies."""
    end = f"{rate:g}" if kind == "search" else f"seed-{seed}"
    return FOLDER / kind / f"{cell.replace('/', '-')}-{end}"
