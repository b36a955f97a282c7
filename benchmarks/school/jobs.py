"""The jobs, each one process: a shared first task, a search at one rate, a cell."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from benchmarks.record import tell
from benchmarks.school.setting import (
    ADAPTERS,
    FOLDER,
    MEMORY_ROWS,
    cell_folder,
    first_folder,
    shares_first_task,
    stream,
)
from mezzofanti.bases import resolve
from mezzofanti.continual import Learner, LearnerFolder, TaskStream, TrainingSettings
from mezzofanti.continual.methods import create
from mezzofanti.errors import StateError
from mezzofanti.files import write_json

PATIENCE = 60
"""Seconds to wait for another cell that forks the same first task."""


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
    searched = cell_folder(cell, seed, rate, "search")
    if seed == 0 and LearnerFolder(searched).exists and not LearnerFolder(folder).exists:
        _take_over(searched, folder, tasks)
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
        copying = folder.with_name(f".{folder.name}.copying")
        shutil.rmtree(copying, ignore_errors=True)
        # the mark that says a job is done is the search's, not the cell's
        shutil.copytree(searched, copying, ignore=shutil.ignore_patterns("found.json"))
        copying.replace(temporary)
    unknown = [
        index for index, task in enumerate(LearnerFolder(temporary).task_folders()) if not _copy_exam(task)
    ]
    Learner.open(temporary, progress=tell).evaluate(tasks, only=unknown)
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


def begin(cell: str, seed: int, rate: float, folder: Path, kind: str) -> Learner:
    """Begin `cell` in `folder`, from the first task where another method has learned it already."""
    if LearnerFolder(folder).exists:
        return learner(cell, seed, rate, folder)
    if not shares_first_task(cell):
        _share_before(folder.parent, folder)
        return learner(cell, seed, rate, folder)
    start = learner("sequential/lora", seed, rate, first_folder(seed, rate, kind))
    return _fork(start, folder, cell.split("/")[0])


def _fork(start: Learner, folder: Path, method: str) -> Learner:
    """Fork `start`, after another cell that forks it at this moment."""
    for _ in range(PATIENCE):
        try:
            return start.fork(folder, method=create({"type": method}))
        except StateError as error:
            if "in use" not in str(error):
                raise
            time.sleep(1)
    return start.fork(folder, method=create({"type": method}))


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
        progress=tell,
    )


def _share_before(kin: Path, folder: Path) -> None:
    """A fresh adapter changes nothing: the exam before any lesson is the base's own, the same for every cell."""
    known = sorted(kin.glob("[!.]*/tasks/00-before/scores.json"))
    target = folder / "tasks" / "00-before"
    if known and not target.exists():
        shutil.copytree(known[0].parent, target.with_name(".before.tmp"), dirs_exist_ok=True)
        target.with_name(".before.tmp").replace(target)
