"""The plan: which jobs, in which order, at how many a time; the result file is written after every job."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from benchmarks.record import circumstances
from benchmarks.school.setting import (
    FOLDER,
    LANGUAGES,
    MEMORY_ROWS,
    METHODS,
    QUESTIONS,
    RATES,
    RESULT,
    TRAIN_ROWS,
    Job,
    cell_folder,
    first_folder,
    shares_first_task,
)
from mezzofanti.bases import resolve
from mezzofanti.continual import LearnerFolder
from mezzofanti.evaluation.suites.almanac import LANGUAGE_NAMES
from mezzofanti.files import read_json, write_json


def run(seeds: Sequence[int], workers: int) -> dict[str, Any]:
    """Run what the result file does not yet hold, stage by stage; it is written after every job."""
    result = _head()
    firsts: list[Job] = [("first", "", 0, rate, "search") for rate in RATES]
    searches: list[Job] = [("search", cell, 0, rate, "search") for cell in METHODS for rate in RATES]
    alone = [job for job in searches if not shares_first_task(job[1])]
    shared = [job for job in searches if shares_first_task(job[1])]
    # the first of all alone: it also examines the base before any lesson, for all the others
    for stage in (firsts[:1], firsts[1:] + alone, shared):
        _pool(stage, workers, result)
    rates = _collect_search(result)
    starts = sorted({rates[cell] for cell in METHODS if shares_first_task(cell)})
    # with seed 0 the search has learned the first task already
    _pool([("first", "", seed, rate, "cells") for seed in seeds if seed for rate in starts], workers, result)
    cells: list[Job] = [("cell", cell, seed, rates[cell], "cells") for seed in seeds for cell in _order(seed)]
    _pool(cells, workers, result)
    return result


def _order(seed: int) -> list[str]:
    """With seed 0 those with a first task of their own come early: the others find its exam, or share their own."""
    if seed:
        return list(METHODS)
    return sorted(METHODS, key=lambda cell: (cell != METHODS[0], shares_first_task(cell)))


def _pool(jobs: Sequence[Job], workers: int, result: dict[str, Any]) -> None:
    wanted = [job for job in jobs if not _known(job, result)]
    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(_process, job) for job in wanted]
        for _ in as_completed(running):
            _collect_search(result)
            _collect_cells(result)
    for job in running:  # one that failed keeps no other from running, and is not passed over
        job.result()


def _known(job: Job, result: dict[str, Any]) -> bool:
    """Whether the result file holds what the job would find; a first task is wanted by the methods that share it."""
    kind, cell, seed, rate, where = job
    search, methods = result.get("search", {}), result.get("methods", {})
    if kind == "search":
        return f"{rate:g}" in search.get(cell, {})
    if kind == "cell":
        return str(seed) in methods.get(cell, {})
    sharing = [cell for cell in METHODS if shares_first_task(cell)]
    later = "search" if where == "search" else "cell"
    return all(_known((later, cell, seed, rate, where), result) for cell in sharing)


def _process(job: Job) -> None:
    kind, cell, seed, rate, where = job
    folder = first_folder(seed, rate, where) if kind == "first" else cell_folder(cell, seed, rate, where)
    if (folder / "found.json").is_file() or (kind == "first" and LearnerFolder(folder).learned()):
        return
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.school"]
    command += ["--job", kind, cell, str(seed), f"{rate:g}", where]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


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
