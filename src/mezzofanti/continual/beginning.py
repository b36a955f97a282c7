"""How a learner's folder is begun, or opened again: its settings, its base, its seeds."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mezzofanti.bases import BASES, Base, resolve
from mezzofanti.continual.agreement import same_base, same_settings
from mezzofanti.continual.lock import held
from mezzofanti.continual.memory import Memory
from mezzofanti.continual.methods import METHODS, Method, create
from mezzofanti.continual.settings import AdapterSettings, TrainingSettings
from mezzofanti.continual.state import LearnerFolder
from mezzofanti.errors import ConfigurationError, StateError

__all__ = ["checked_method", "known_method", "open_folder", "task_seed"]

LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "mezzofanti")


def task_seed(seed: int, index: int) -> int:
    """The seed of one task's training: another one for every task and every learner's seed."""
    return seed * 1000 + index


def open_folder(
    place: LearnerFolder, base: str | Path | Base | None, given: dict[str, Any]
) -> tuple[dict[str, Any], Base]:
    """Return the settings and the base of the learner in `place`, begun now where there is none.

    `given` holds the settings asked for (None: not given). Raises `StateError` where they differ from the learner's,
    `ConfigurationError` where a new learner has no base.
    """
    if place.exists:
        settings = place.settings()
        same_settings(place, settings, given)
        found = _known_base(place, settings) if base is None else _base(base)
        same_base(place, settings["base"], found)
        return settings, found
    if base is None:
        raise ConfigurationError(
            f"A new learner in {place.path} needs a base.", cure="Give base='smollm2-135m'."
        )
    found = _base(base)
    settings = _new_settings(found, given)
    with held(place.path):
        if not place.exists:
            place.write_settings(settings)
            return settings, found
    return open_folder(place, base, given)


def checked_method(method: Method, memory_rows: int | None) -> Method:
    """Return `method` where a learner can be taught by it, and remember it in `learner.yaml`.

    Raises `ConfigurationError` for one without a name of its own, with settings that YAML cannot hold, or with a
    memory, which it would not be asked for.
    """
    kind, settings = method.name, method.settings
    if not kind or settings.get("type") != kind:
        raise ConfigurationError(
            f"{type(method).__name__} is called {kind!r}, and its settings say {settings.get('type')!r}.",
            cure="Give the class a `name`, and its settings that name as their 'type'.",
        )
    if kind in METHODS and type(method) is not type(create({"type": kind})):
        raise ConfigurationError(
            f"{type(method).__name__} is called {kind!r}, as a method of the package is.",
            cure="Give the class a `name` of its own.",
        )
    if not _lasts(settings):
        raise ConfigurationError(
            f"{kind}: its settings are not plain values: {settings!r}.",
            cure="Let `settings` hold numbers, texts, lists and mappings by name.",
        )
    memory = getattr(method, "memory", None)
    if isinstance(memory, Memory) and _in_use(memory, memory_rows):
        raise ConfigurationError(
            f"{kind} was given a memory, and a learner keeps its own.",
            cure=f"Leave it out, and say how much to remember: memory_rows={memory.rows_per_task}.",
        )
    return method


def known_method(place: LearnerFolder, settings: dict[str, Any]) -> Method:
    """The method that a learner was begun with, made again. `StateError` where it is none of the package's."""
    if settings["type"] not in METHODS:
        raise StateError(
            f"The learner in {place.path} was begun with a method of somebody's own, {settings['type']!r}.",
            cure="Give it again: Learner.open(FOLDER, method=...).",
        )
    return create(settings)


def _lasts(settings: dict[str, Any]) -> bool:
    try:
        return bool(json.loads(json.dumps(settings)) == settings)
    except (TypeError, ValueError):
        return False


def _in_use(memory: Memory, memory_rows: int | None) -> bool:
    unsaid = memory.rows_per_task not in (Memory().rows_per_task, memory_rows)
    return bool(memory) or memory.folder is not None or unsaid


def _base(base: str | Path | Base) -> Base:
    return base if isinstance(base, Base) else resolve(base)


def _known_base(place: LearnerFolder, settings: dict[str, Any]) -> Base:
    name, path = settings["base"]["name"], Path(settings["base"]["path"])
    if not path.is_dir() and name not in BASES:
        raise StateError(f"The base of {place.path} is gone from {path}.", cure="Open it with base=FOLDER.")
    return resolve(path if path.is_dir() else name)


def _new_settings(base: Base, given: dict[str, Any]) -> dict[str, Any]:
    import torch

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
