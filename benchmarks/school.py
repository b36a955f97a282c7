"""The school benchmark: four languages, one after another, on a real open model; what does each method keep?

    python -m benchmarks.school                  all cells that are not yet in benchmarks/results/school.json
    python -m benchmarks.school --seeds 0        only these seeds
    python -m benchmarks.school --table          print the table, run nothing

A cell is one method with one adapter and one seed. Cells are resumable: a killed run goes on inside the task it was
in. Before the cells, each method picks its learning rate from the same three, on validation rows cut from the
training rows of the first two tasks (seed 0); no exam question is looked at for that. The exam is the same for all.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.lock import machine_lock
from benchmarks.record import RESULTS, WORK, circumstances
from mezzofanti.bases import resolve
from mezzofanti.continual import AdapterSettings, Learner, LearnerFolder, Task, TaskStream, TrainingSettings
from mezzofanti.continual.methods import create
from mezzofanti.corpus.sources.almanac import Almanac
from mezzofanti.evaluation.statistics import Mean, mean_over_seeds
from mezzofanti.evaluation.suites.almanac import LANGUAGE_NAMES, load_task, question, sample
from mezzofanti.files import read_json, write_json

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


def learner(cell: str, seed: int, rate: float, folder: Path) -> Learner:
    """The learner of one cell; its first task is shared between methods that learn it alike."""
    method, adapter = cell.split("/")
    return Learner.open(
        folder,
        base=resolve("smollm2-135m"),
        method=create({"type": method}),
        adapter=ADAPTERS[adapter],
        training=TrainingSettings(learning_rate=rate),
        memory_rows=MEMORY_ROWS,
        seed=seed,
        progress=_progress,
    )


def shared_start(cell: str, seed: int, rate: float, tasks: TaskStream, folder: Path, kind: str) -> Learner:
    """Begin `cell` in `folder`: from the first task where another method has learned it already."""
    method, adapter = cell.split("/")
    if LearnerFolder(folder).exists:
        return learner(cell, seed, rate, folder)
    if method == "joint" or adapter != "lora":
        _share_before(folder.parent, folder)
        return learner(cell, seed, rate, folder)
    first = FOLDER / kind / f"first-task-lora-{rate:g}-seed-{seed}"
    _share_before(first.parent, first)
    start = learner("sequential/lora", seed, rate, first)
    start.learn_stream(tasks, until=1)
    return start.fork(folder, method=create({"type": method}))


def _share_before(kin: Path, folder: Path) -> None:
    """A fresh adapter changes nothing: the exam before any lesson is the base's own, the same for every cell."""
    known = sorted(kin.glob("[!.]*/tasks/00-before/scores.json"))
    target = folder / "tasks" / "00-before"
    if known and not target.exists():
        shutil.copytree(known[0].parent, target.with_name(".before.tmp"), dirs_exist_ok=True)
        target.with_name(".before.tmp").replace(target)


def choose_rate(cell: str, result: dict[str, Any]) -> float:
    """The learning rate of a method: the best of `RATES` on validation rows after the second task (seed 0)."""
    found = result.setdefault("search", {}).setdefault(cell, {})
    tasks = stream(0, validation=True)
    for rate in RATES:
        if f"{rate:g}" not in found:
            folder = FOLDER / "search" / f"{cell.replace('/', '-')}-{rate:g}"
            matrix = shared_start(cell, 0, rate, tasks, folder, "search").learn_stream(tasks, until=2)
            found[f"{rate:g}"] = sum(matrix.rows[2][:2]) / 2  # type: ignore[arg-type]
            write_json(RESULT, result)
    return max(RATES, key=lambda rate: found[f"{rate:g}"])


def run_cell(cell: str, seed: int, rate: float) -> dict[str, Any]:
    """Run, or finish, one cell and return what it found."""
    folder = FOLDER / "cells" / f"{cell.replace('/', '-')}-seed-{seed}"
    tasks = stream(seed)
    searched = FOLDER / "search" / f"{cell.replace('/', '-')}-{rate:g}"
    if seed == 0 and not LearnerFolder(folder).exists:
        _take_over(searched, folder, tasks)
    pupil = shared_start(cell, seed, rate, tasks, folder, "cells")
    matrix = pupil.learn_stream(tasks)
    history = pupil.folder.history()
    return {
        "matrix": matrix.rows,
        "op": matrix.op,
        "bwt": matrix.bwt,
        "fwt": matrix.fwt,
        "forgetting": matrix.forgetting,
        "seconds": sum(task["seconds"] for task in history),
        "exam_seconds": sum(task["exam_seconds"] for task in history),
        "samples": sum(task["samples"] for task in history),
        "optimizer_steps": sum(task["optimizer_steps"] for task in history),
        "memory_rows": history[-1]["memory_rows"],
        "learning_rate": rate,
        "trainable_parameters": history[-1]["trainable_parameters"],
    }


def _take_over(searched: Path, folder: Path, tasks: TaskStream) -> None:
    """The search with seed 0 has learned the cell's first two tasks from the same rows: examine them, and go on."""
    temporary = folder.with_name(f".{folder.name}.examined")
    if not LearnerFolder(temporary).exists:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(searched, temporary)
    Learner.open(temporary, progress=_progress).evaluate(tasks)
    temporary.replace(folder)


def cells(seeds: tuple[int, ...]) -> Iterator[tuple[str, int]]:
    """All cells, seed by seed, so that an unfinished run compares all methods on the seeds it has."""
    yield from ((cell, seed) for seed in seeds for cell in METHODS)


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table: mean over seeds and its standard error, in percent."""
    lines = [
        "| method / adapter | seeds | OP | BWT | samples | optimizer steps | learning rate |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell, seeds in result.get("methods", {}).items():
        runs = list(seeds.values())
        op, op_error = mean_over_seeds([100 * run["op"] for run in runs])
        bwt, bwt_error = mean_over_seeds([100 * run["bwt"] for run in runs])
        lines.append(
            f"| {cell} | {len(runs)} | {_pm(op)} | {_pm(bwt)} | {runs[0]['samples']} | "
            f"{runs[0]['optimizer_steps']} | {runs[0]['learning_rate']:g} |"
        )
    return "\n".join(lines)


def _pm(mean: Mean) -> str:
    return f"{mean.mean:.1f}" + (f" ± {mean.error:.1f}" if mean.error is not None else "")


_said = [0.0]


def _progress(what: str, done: int, total: int) -> None:
    if done == total or time.monotonic() - _said[0] > 20:
        _said[0] = time.monotonic()
        print(f"{time.strftime('%H:%M:%S')}  {what}: {done}/{total}", file=sys.stderr, flush=True)


def main() -> None:
    """Run what is missing, write the result after every cell, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--table", action="store_true", help="print the table and run nothing")
    options = parser.parse_args()
    result: dict[str, Any] = read_json(RESULT) if RESULT.is_file() else {}
    if not options.table:
        with machine_lock("python -m benchmarks.school"):
            _run(result, tuple(options.seeds))
    print(table(result))


def _run(result: dict[str, Any], seeds: tuple[int, ...]) -> None:
    base = resolve("smollm2-135m")
    result.update(
        schema=1,
        **circumstances("python -m benchmarks.school"),
        base=base.origin,
        tasks=[LANGUAGE_NAMES[code] for code in LANGUAGES],
        questions=QUESTIONS,
        train_rows=TRAIN_ROWS,
        memory_rows_per_task=MEMORY_ROWS,
    )
    rates = {cell: choose_rate(cell, result) for cell in METHODS}
    for cell, seed in cells(seeds):
        done = result.setdefault("methods", {}).setdefault(cell, {})
        if str(seed) not in done:
            done[str(seed)] = run_cell(cell, seed, rates[cell])
            write_json(RESULT, result)


if __name__ == "__main__":
    main()
