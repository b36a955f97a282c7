"""Trainable parameters by formula: one adapted linear map W (m x n) at a time, summed over a model's maps.

MALoRA, arXiv:2410.22782v1, section 3. With N experts of rank r, a shared rank d and a router (N x n):

    LoRA     r (n + m)
    MoLoRA   N r (n + m) + N n
    MALoRA   d n + N r (m + d) + N n
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from mezzofanti.errors import ConfigurationError

__all__ = ["PAPER_MODULES", "adapted_maps", "equal_rank", "lora", "malora", "molora", "total"]

PAPER_MODULES = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "down_proj")
"""Q, K, V, Gate, Up, Down: the paper's tables 8 and 9 leave O out, and its parameter counts agree."""

Map = tuple[int, int]


def lora(n: int, m: int, r: int) -> int:
    """Count the parameters of one LoRA."""
    return r * (n + m)


def molora(n: int, m: int, r: int, experts: int = 8) -> int:
    """Count the parameters of a mixture of LoRAs with its router."""
    return experts * r * (n + m) + experts * n


def malora(n: int, m: int, r: int, shared: int, experts: int = 8) -> int:
    """Count the parameters of a MALoRA with its router."""
    return shared * n + experts * r * (m + shared) + experts * n


def total(maps: Iterable[Map], formula: Any, *arguments: int) -> int:
    """Sum a formula over `maps`, pairs of (input features n, output features m)."""
    return sum(formula(n, m, *arguments) for n, m in maps)


def adapted_maps(
    model: Any, modules: Collection[str] = PAPER_MODULES, layers: Collection[int] | None = None
) -> list[Map]:
    """Return (n, m) of every linear map of `model` that is called one of `modules`, in `layers` (None: all)."""
    import torch

    maps = [
        (module.in_features, module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear)
        and name.rpartition(".")[2] in modules
        and (layers is None or _layer(name) in layers)
    ]
    if not maps:
        raise ConfigurationError(
            f"The model has no linear map called {', '.join(modules)}.", cure="Use a Llama."
        )
    return maps


def equal_rank(maps: Iterable[Map], parameters: int) -> int:
    """Return the rank at which LoRA on `maps` comes closest to that many parameters."""
    return max(1, round(parameters / sum(n + m for n, m in maps)))


def _layer(name: str) -> int:
    return next((int(part) for part in name.split(".") if part.isdigit()), -1)
