"""The settings the paper trained with, by name.

Source: tables 8 and 9 of MALoRA, arXiv:2410.22782v1, and, for "small", its section 4.2. The paper weighs the load
balance by 0.001 in its text and by 0.01 in these tables; the tables are followed. It adapts all maps but O: the tables
say so, and only so do its parameter counts come out. What is no setting of the adapter (AdamW, weight decay 0.01, 10 %
warm-up; learning rate 5e-4, 3 epochs across domains; 4e-4, 2 epochs within one) is said in the documentation.
"""

from __future__ import annotations

from typing import Any

from mezzofanti.errors import ConfigurationError, nearest

__all__ = ["PAPER_TARGETS", "PRESETS", "preset_settings"]

PAPER_TARGETS = ("q_proj", "k_proj", "v_proj", "up_proj", "down_proj", "gate_proj")

_PAPER: dict[str, Any] = {
    "task_type": "CAUSAL_LM",
    "num_experts": 8,
    "top_k": 2,
    "lora_dropout": 0.05,
    "router_aux_loss_coef": 0.01,
}
_MALORA: dict[str, Any] = {**_PAPER, "r": 12, "lora_alpha": 24, "shared_rank": 32, "beta": 1.0}
_MOLORA: dict[str, Any] = {**_PAPER, "r": 8, "lora_alpha": 16}

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "MaloraConfig": {
        "paper-inter": _MALORA,
        "paper-intra": {**_MALORA, "beta": 1.25},
        "small": {**_MALORA, "r": 8, "lora_alpha": 16, "shared_rank": 22},
    },
    "MoloraConfig": {"paper-inter": _MOLORA, "paper-intra": _MOLORA},
}


def preset_settings(kind: str, name: str) -> dict[str, Any]:
    """Return a fresh copy of the settings of `kind` ("MaloraConfig", "MoloraConfig") under `name`.

    Raises:
        ConfigurationError: there is no such preset.
    """
    known = PRESETS[kind]
    if name not in known:
        raise ConfigurationError(f"{kind}: there is no preset {name!r}.", cure=nearest(name, known))
    return {**known[name], "target_modules": list(PAPER_TARGETS)}
