"""How a learner is begun, and how it is known again: its settings, its tasks' rows, its seeds."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from mezzofanti.bases import Base
from mezzofanti.continual.methods import create
from mezzofanti.continual.settings import AdapterSettings, TrainingSettings
from mezzofanti.continual.state import LearnerFolder
from mezzofanti.continual.stream import Task
from mezzofanti.errors import StateError
from mezzofanti.files import read_json, write_json

__all__ = ["agree", "fingerprint", "new_settings", "same_base", "same_rows", "task_seed"]

LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "mezzofanti")


def task_seed(seed: int, index: int) -> int:
    """The seed of one task's training: another one for every task and every learner's seed."""
    return seed * 1000 + index


def fingerprint(task: Task) -> str:
    """What tells one task's rows from another's: a hash of every sample and question."""
    rows = [*(s.model_dump(mode="json") for s in task.train), *(q.model_dump(mode="json") for q in task.test)]
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()[:16]


def same_rows(work: Path, task: Task) -> None:
    """A task half learned from other rows must not be continued with these."""
    path, now = work / "task.json", fingerprint(task)
    if path.is_file() and read_json(path)["fingerprint"] != now:
        raise StateError(
            f"The rows of task {task.name!r} changed since it was begun.",
            cure=f"Remove {work} to begin it anew.",
        )
    write_json(path, {"task": task.name, "fingerprint": now})


def new_settings(base: Base, given: dict[str, Any]) -> dict[str, Any]:
    """The settings a new learner is begun with: what is `given`, and the defaults."""
    cores = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return {
        "schema": 1,
        "base": {"name": base.name, "origin": base.origin, "license": base.license, "path": str(base.path)},
        "method": given["method"] or create({"type": "recurrent-kif"}).settings,
        "adapter": given["adapter"] or AdapterSettings().model_dump(mode="json"),
        "training": given["training"] or TrainingSettings().model_dump(mode="json"),
        "memory_rows": 60 if given["memory_rows"] is None else given["memory_rows"],
        "seed": given["seed"] or 0,
        "versions": {name: version(name) for name in LIBRARIES},
        "machine": f"{platform.system()} {platform.machine()}, {cores}, Python {platform.python_version()}",
    }


def same_base(place: LearnerFolder, settings: dict[str, Any], base: Base) -> None:
    """Raise `StateError` where a learner would go on with another base than its adapter was trained on."""
    if base.name != settings["base"]["name"]:
        raise StateError(
            f"The learner in {place.path} was begun on {settings['base']['name']}, not on {base.name}.",
            cure="Use another folder, or leave the base as it was.",
        )


def agree(place: LearnerFolder, settings: dict[str, Any], given: dict[str, Any]) -> None:
    """Raise `StateError` where a setting given is not what the learner was begun with."""
    for name, value in given.items():
        if value is not None and value != settings[name]:
            raise StateError(
                f"The learner in {place.path} was begun with {name} = {settings[name]!r}, not {value!r}.",
                cure="Use another folder, or leave the setting as it was.",
            )
