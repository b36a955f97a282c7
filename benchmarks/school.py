"""The school benchmark: four languages, one after another, on a real open model; what does each method keep?

    python -m benchmarks.school                  all cells that are not yet in benchmarks/results/school.json
    python -m benchmarks.school --seeds 0        only these seeds
    python -m benchmarks.school --workers 2      that many cells at once, one thread each
    python -m benchmarks.school --table          print the table, run nothing

A cell is one method with one adapter and one seed. Cells are resumable: a killed run goes on inside the task it was
in. Before the cells, each method picks its learning rate from the same three, on validation rows cut from the
training rows of the first two tasks (seed 0); no exam question is looked at for that. The exam is the same for all.

Every run is a process with one thread: on two cores two of them do a quarter more than one process with two threads,
and all methods are timed alike.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
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


def learner(cell: str, seed: int, rate: float, folder: Path) -> Learner:
    """The learner of one cell; its first task is shared between methods that learn it alike."""
    method, adapter = cell.split("/")
    return Learner.open(
        folder,
        base=resolve("smollm2-135m"),
        method=create({"type": method}),
        adapter=ADAPTERS[adapter],
        training=TrainingSettings(learning_rate=rate, per_device_eval_batch_size=120),
        memory_rows=MEMORY_ROWS,
        seed=seed,
        progress=_progress,
    )


def begin(cell: str, seed: int, rate: float, folder: Path, kind: str) -> Learner:
    """Begin `cell` in `folder`, from the first task where another method has learned it already."""
    if LearnerFolder(folder).exists:
        return learner(cell, seed, rate, folder)
    if not shares_first_task(cell):
        _share_before(folder.parent, folder)
        return learner(cell, seed, rate, folder)
    start = learner("sequential/lora", seed, rate, first_folder(seed, rate, kind))
    return start.fork(folder, method=create({"type": cell.split("/")[0]}))


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


def _share_before(kin: Path, folder: Path) -> None:
    """A fresh adapter changes nothing: the exam before any lesson is the base's own, the same for every cell."""
    known = sorted(kin.glob("[!.]*/tasks/00-before/scores.json"))
    target = folder / "tasks" / "00-before"
    if known and not target.exists():
        shutil.copytree(known[0].parent, target.with_name(".before.tmp"), dirs_exist_ok=True)
        target.with_name(".before.tmp").replace(target)


# ---- jobs: each is one process ---------------------------------------------------------------------------------


def do_first(seed: int, rate: float, kind: str) -> None:
    """Learn the shared first task."""
    folder = first_folder(seed, rate, kind)
    _share_before(folder.parent, folder)
    learner("sequential/lora", seed, rate, folder).learn_stream(
        stream(seed, validation=kind == "search"), until=1
    )


def do_search(cell: str, rate: float) -> None:
    """Learn two tasks at one rate and note the validation score."""
    folder = cell_folder(cell, 0, rate, "search")
    matrix = begin(cell, 0, rate, folder, "search").learn_stream(stream(0, validation=True), until=2)
    write_json(folder / "found.json", {"score": sum(matrix.rows[2][:2]) / 2})  # type: ignore[arg-type]


def do_cell(cell: str, seed: int, rate: float) -> None:
    """Run, or finish, one cell and note what it found."""
    folder = cell_folder(cell, seed, rate, "cells")
    tasks = stream(seed)
    if seed == 0 and not LearnerFolder(folder).exists:
        _take_over(cell_folder(cell, seed, rate, "search"), folder, tasks)
    pupil = begin(cell, seed, rate, folder, "cells")
    matrix = pupil.learn_stream(tasks)
    history = pupil.folder.history()
    total = {
        name: sum(task[name] for task in history)
        for name in ("seconds", "exam_seconds", "samples", "optimizer_steps")
    }
    found = {
        "matrix": matrix.rows,
        "op": matrix.op,
        "bwt": matrix.bwt,
        "fwt": matrix.fwt,
        "forgetting": matrix.forgetting,
        **total,
        "memory_rows": history[-1]["memory_rows"],
        "learning_rate": rate,
        "trainable_parameters": history[-1]["trainable_parameters"],
    }
    write_json(folder / "found.json", found)


def _take_over(searched: Path, folder: Path, tasks: TaskStream) -> None:
    """The search with seed 0 has learned the cell's first two tasks from the same rows: examine them, and go on."""
    temporary = folder.with_name(f".{folder.name}.examined")
    if not LearnerFolder(temporary).exists:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        # the mark that says a job is done is the search's, not the cell's
        shutil.copytree(searched, temporary, ignore=shutil.ignore_patterns("found.json"))
    unknown = [
        index for index, task in enumerate(LearnerFolder(temporary).task_folders()) if not _copy_exam(task)
    ]
    Learner.open(temporary, progress=_progress).evaluate(tasks, only=unknown)
    temporary.replace(folder)


def _copy_exam(task: Path) -> bool:
    """The same adapter gives the same answers: take the exam of a finished cell that has this very adapter."""
    for kin in sorted((FOLDER / "cells").glob(f"[!.]*/tasks/{task.name}")):
        if (kin / "scores.json").is_file() and _adapter_bytes(kin) == _adapter_bytes(task):
            shutil.copy(kin / "answers.jsonl", task / "answers.jsonl")
            shutil.copy(kin / "scores.json", task / "scores.json")
            return True
    return False


def _adapter_bytes(task: Path) -> bytes:
    weights = task / "adapter" / "adapter_model.safetensors"
    return weights.read_bytes() if weights.is_file() else b""


# ---- the plan: which jobs, in which order ------------------------------------------------------------------------


def run(seeds: Sequence[int], workers: int) -> dict[str, Any]:
    """Run what is missing, stage by stage; the result is written after every job."""
    result = _head()
    firsts = [("first", "", 0, rate, "search") for rate in RATES]
    alone = [
        ("search", cell, 0, rate, "search")
        for cell in METHODS
        if not shares_first_task(cell)
        for rate in RATES
    ]
    shared = [
        ("search", cell, 0, rate, "search") for cell in METHODS if shares_first_task(cell) for rate in RATES
    ]
    # the first of all alone: it also examines the base before any lesson, for all the others
    for stage in (firsts[:1], firsts[1:] + alone, shared):
        _pool(stage, workers, lambda job: _collect_search(result))
    rates = _collect_search(result)
    for seed in seeds:
        starts = {rates[cell] for cell in METHODS if shares_first_task(cell)} if seed else set()
        begun = [("first", "", seed, rate, "cells") for rate in sorted(starts)]
        _pool(begun, workers, lambda job: None)
        # those with a first task of their own come early: the others find its exam, or share their own
        ordered = sorted(METHODS, key=lambda cell: (cell != METHODS[0], shares_first_task(cell)))
        jobs = [("cell", cell, seed, rates[cell], "cells") for cell in ordered]
        _pool(jobs, workers, lambda job: _collect_cells(result))
    _collect_cells(result)
    return result


def _pool(jobs: Sequence[Job], workers: int, after: Callable[[Job], Any]) -> None:
    with ThreadPoolExecutor(workers) as pool:
        for job in pool.map(_process, jobs):
            after(job)


def _process(job: Job) -> Job:
    kind, cell, seed, rate, where = job
    folder = first_folder(seed, rate, where) if kind == "first" else cell_folder(cell, seed, rate, where)
    done = (folder / "found.json").is_file() or (kind == "first" and LearnerFolder(folder).learned())
    if not done:
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "benchmarks.school",
            "--job",
            kind,
            cell,
            str(seed),
            f"{rate:g}",
            where,
        ]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return job


def _collect_search(result: dict[str, Any]) -> dict[str, float]:
    """Read the validation scores into the result; return each method's best rate so far."""
    search = result.setdefault("search", {})
    for cell in METHODS:
        for rate in RATES:
            found = cell_folder(cell, 0, rate, "search") / "found.json"
            if found.is_file():
                search.setdefault(cell, {})[f"{rate:g}"] = read_json(found)["score"]
    write_json(RESULT, result)
    return {cell: float(max(scores, key=scores.__getitem__)) for cell, scores in search.items()}


def _collect_cells(result: dict[str, Any]) -> None:
    for cell in METHODS:
        for path in sorted((FOLDER / "cells").glob(f"{cell.replace('/', '-')}-seed-*/found.json")):
            seed = path.parent.name.rsplit("-", 1)[1]
            result.setdefault("methods", {}).setdefault(cell, {})[seed] = read_json(path)
    write_json(RESULT, result)


def _head() -> dict[str, Any]:
    known: dict[str, Any] = read_json(RESULT) if RESULT.is_file() else {}
    return {
        **known,
        "schema": 1,
        **circumstances("python -m benchmarks.school"),
        "threads_a_cell": 1,
        "base": resolve("smollm2-135m").origin,
        "tasks": [LANGUAGE_NAMES[code] for code in LANGUAGES],
        "questions": QUESTIONS,
        "train_rows": TRAIN_ROWS,
        "memory_rows_per_task": MEMORY_ROWS,
    }


def table(result: dict[str, Any]) -> str:
    """The result as a Markdown table: mean over seeds and its standard error, in percent."""
    lines = [
        "| method / adapter | seeds | OP | BWT | samples | optimizer steps | learning rate |",
        "|---|---|---|---|---|---|---|",
    ]
    for cell, seeds in result.get("methods", {}).items():
        runs = list(seeds.values())
        op = mean_over_seeds([100 * run["op"] for run in runs])
        bwt = mean_over_seeds([100 * run["bwt"] for run in runs])
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
    parser.add_argument("--workers", type=int, default=1, help="cells at once; one thread each")
    parser.add_argument("--table", action="store_true", help="print the table and run nothing")
    parser.add_argument("--job", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        _do(*options.job)
    elif options.table:
        print(table(read_json(RESULT)))
    else:
        with machine_lock("python -m benchmarks.school"):
            print(table(run(options.seeds, options.workers)))


def _do(kind: str, cell: str, seed: str, rate: str, where: str) -> None:
    if kind == "first":
        do_first(int(seed), float(rate), where)
    elif kind == "search":
        do_search(cell, float(rate))
    else:
        do_cell(cell, int(seed), float(rate))


if __name__ == "__main__":
    main()
