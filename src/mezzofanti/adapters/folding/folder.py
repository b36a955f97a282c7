"""A fold on disk: an ordinary PEFT LoRA folder, and the card that says what it is and what it cost.

Every layer is written with one rank and scale 1, the smaller ones filled up with zero rows, although PEFT would read
`rank_pattern` and `alpha_pattern`: not every server does. vLLM 0.33 does, earlier versions took `lora_alpha / r` for
all layers and said nothing.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import BaseTunerLayer, check_target_module_exists
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from mezzofanti.adapters.folding.card import card
from mezzofanti.adapters.folding.weights import Factors, base_of, layers_of
from mezzofanti.errors import ConfigurationError
from mezzofanti.files import write_text

if TYPE_CHECKING:
    from mezzofanti.adapters.folding import Folded

__all__ = ["check_plain", "lora_config", "write_folder"]


def check_plain(config: Any) -> None:
    """Raise `ConfigurationError` where an adapter trains more than its mixtures."""
    for name, none in (("modules_to_save", None), ("trainable_token_indices", None), ("bias", "none")):
        value = getattr(config, name, none)
        if value not in (none, None, [], {}):
            raise ConfigurationError(
                f"fold: the adapter was trained with {name} = {value!r}, which a LoRA for a server cannot carry.",
                cure=f"Train without {name}, or serve the routed adapter.",
            )


def lora_config(
    model: nn.Module, routed: Any, factors: Mapping[str, Factors], base: str | None
) -> LoraConfig:
    """The `LoraConfig` under which PEFT puts a LoRA in the layers of `factors` and in no other."""
    rank = max(one.rank for one in factors.values())
    layers = layers_of(model)
    transposed = all(isinstance(layers[name].get_base_layer(), Conv1D) for name in factors)
    common: dict[str, Any] = {
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": transposed,
        "task_type": routed.task_type,
        "base_model_name_or_path": base or routed.base_model_name_or_path,
        "revision": None if base else routed.revision,
        "inference_mode": True,
    }
    return next(
        config
        for targets in _ways_to_name(list(factors))
        if _names(config := LoraConfig(**common, **targets), model) == set(factors)
    )


def _ways_to_name(names: list[str]) -> list[dict[str, Any]]:
    """From the shortest way to the surest: last names, last names in some layers, whole names, only whole names."""
    last = sorted({name.rpartition(".")[2] for name in names})
    numbers = sorted({int(part) for name in names for part in name.split(".") if part.isdigit()})
    some = [{"target_modules": last, "layers_to_transform": numbers}] if numbers else []
    whole = sorted(names)
    only = "|".join(map(re.escape, whole))
    return [{"target_modules": last}, *some, {"target_modules": whole}, {"target_modules": f"({only})$"}]


def _names(config: LoraConfig, model: nn.Module) -> set[str]:
    inside = tuple(
        f"{name}." for name, module in base_of(model).named_modules() if isinstance(module, BaseTunerLayer)
    )
    return {
        name
        for name, _ in base_of(model).named_modules()
        if name and not name.startswith(inside) and check_target_module_exists(config, name)
    }


def write_folder(folder: Path, config: LoraConfig, folded: Folded, title: str) -> Path:
    """Write config, weights and card under a temporary name, then take the place of what was there."""
    if folder.exists() and not (folder / "adapter_config.json").is_file():
        raise ConfigurationError(
            f"{folder} is there and holds no adapter.", cure="Name a new folder, or one of an earlier fold."
        )
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    weights = _state(folded.factors, config.r)
    save_file(weights, temporary / "adapter_model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(str(temporary))
    write_text(temporary / "README.md", card(folded, config, title or folder.name))
    shutil.rmtree(folder, ignore_errors=True)
    temporary.replace(folder)
    return folder


def _state(factors: Mapping[str, Factors], rank: int) -> dict[str, Tensor]:
    """Weights under the names of PEFT's own files."""
    state = {}
    for name, one in factors.items():
        missing = rank - one.rank
        for key, weight in (
            ("lora_A", torch.nn.functional.pad(one.A, (0, 0, 0, missing))),
            ("lora_B", torch.nn.functional.pad(one.B, (0, missing))),
        ):
            state[f"base_model.model.{name}.{key}.weight"] = weight.detach().cpu().contiguous()
    return state
