"""Makes MALoRA and MoLoRA known to PEFT.

PEFT looks a method up in plain dictionaries by the name in `adapter_config.json`, but offers no entry to them for a
method that is not a member of its own `PeftType`. So the entries are written here, under a string that behaves as a
member does. Nothing of PEFT is changed or replaced.
"""

from __future__ import annotations

from typing import Any, cast

from peft import PeftType, mapping

from mezzofanti.adapters.config import MALORA, MaloraConfig, MethodName
from mezzofanti.adapters.model import MaloraModel, MoloraModel
from mezzofanti.adapters.molora_config import MOLORA, MoloraConfig
from mezzofanti.errors import ConfigurationError

__all__ = ["register", "register_malora", "register_molora"]


def register(name: MethodName, config: type[Any], model: type[Any], prefix: str) -> None:
    """Let PEFT build, save and load adapters of type `name`. Doing so twice is harmless.

    Raises:
        ConfigurationError: another package, or PEFT itself, already holds that name.
    """
    key = cast(PeftType, name)
    holder = mapping.PEFT_TYPE_TO_CONFIG_MAPPING.get(key)
    if holder is not None and holder is not config:
        raise ConfigurationError(
            f"PEFT already knows an adapter type {name.value}, from {holder.__module__}.",
            cure="Import only one package that provides it.",
        )
    mapping.PEFT_TYPE_TO_CONFIG_MAPPING[key] = config
    mapping.PEFT_TYPE_TO_TUNER_MAPPING[key] = model
    mapping.PEFT_TYPE_TO_PREFIX_MAPPING[key] = prefix


def register_malora() -> None:
    """Register `MaloraConfig` and `MaloraModel`; `import mezzofanti.adapters` does it."""
    register(MALORA, MaloraConfig, MaloraModel, MaloraModel.prefix)


def register_molora() -> None:
    """Register `MoloraConfig` and `MoloraModel`; `import mezzofanti.adapters` does it."""
    register(MOLORA, MoloraConfig, MoloraModel, MoloraModel.prefix)
