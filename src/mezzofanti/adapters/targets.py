"""Why the settings of an adapter name no module of a model, and what would."""

from __future__ import annotations

import copy
import re
from typing import Any

from peft.tuners.tuners_utils import check_target_module_exists
from torch import nn
from transformers.pytorch_utils import Conv1D

from mezzofanti.adapters.mixture_config import MixtureConfig
from mezzofanti.errors import nearest

__all__ = ["cure_for_no_target", "linear_names"]

NUMBERED = r"(?:^|.*?\.)([^.]+)\.(\d+)\."
NAMED = r"(?:^|.*?\.){}\.\d+\."
"""How PEFT finds the layer of a module, such as `model.layers.3.mlp`: any list of layers, and one of a given name."""


def linear_names(model: nn.Module) -> list[str]:
    """Return the last names of the linear modules of `model`, sorted, without what adapters added."""
    linear = (nn.Linear, Conv1D)
    full = [name for name, one in model.named_modules() if isinstance(one, linear)]
    return sorted({name.removesuffix(".base_layer").rpartition(".")[2] for name in full})


def cure_for_no_target(model: nn.Module, config: MixtureConfig) -> str:
    """Return what to change in `config`, with which PEFT found no module of `model` to adapt."""
    excluding = {"exclude_modules": None, "modules_to_save": None}
    meant = _targets(model, config, **excluding)
    if meant:
        return _cure_for_exclusion(meant, config)
    meant = _targets(model, config, **excluding, layers_to_transform=None, layers_pattern=None)
    if meant:
        return _cure_for_layers(meant, config)
    known, asked = linear_names(model), config.target_modules
    first = asked if isinstance(asked, str) else min(asked or [""])
    return nearest(first, known) if known else "The model has no linear module."


def _targets(model: nn.Module, config: MixtureConfig, **changed: Any) -> list[str]:
    """Return the modules that PEFT would adapt with some settings changed."""
    other = copy.copy(config)
    for name, value in changed.items():
        setattr(other, name, value)
    return [name for name, _ in model.named_modules() if name and check_target_module_exists(other, name)]


def _cure_for_exclusion(meant: list[str], config: MixtureConfig) -> str:
    """The names are right, but each is left out again."""
    given = {name: getattr(config, name) for name in ("exclude_modules", "modules_to_save")}
    listed = {
        name: sorted(value) if isinstance(value, set) else value for name, value in given.items() if value
    }
    fields = " and ".join(f"{name} = {value!r}" for name, value in listed.items())
    return f"Name fewer in {fields}: of the targets, such as {meant[0]}, none is left."


def _cure_for_layers(meant: list[str], config: MixtureConfig) -> str:
    """The names are right, the layers are not: their list has another name, or other numbers."""
    found = [match for name in meant if (match := re.match(NUMBERED, name))]
    if not found:
        return "These modules are in no numbered layer: leave layers_to_transform out."
    given = config.layers_pattern
    patterns = [given] if isinstance(given, str) else given or []
    if patterns and not any(re.match(NAMED.format(one), name) for one in patterns for name in meant):
        lists = sorted({match[1] for match in found})
        return f"layers_pattern = {given!r} is the name of no list of layers. {nearest(patterns[0], lists)}"
    last = max(int(match[2]) for match in found)
    return (
        "The model has these names, though not there: layers_to_transform counts from 0, and they are in the layers "
        f"up to {last}."
    )
