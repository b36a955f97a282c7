"""A learning rate for each kind of an adapter's weights.

MALoRA's beta scales the gradients of S_A and of the P_t against each other (appendix A.3 of arXiv:2410.22782v1). Under
Adam, which divides that scale out again, it is nothing but two learning rates: S_A, beta times as large at the start,
moves 1 / beta as fast in relation to its size, and the P_t beta times as fast. `shared` and `coefficients` say so
directly. `expansion` is the ratio of LoRA+ (arXiv:2402.12354).
"""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

from torch import nn

from mezzofanti.adapters.layer import MixtureLayer
from mezzofanti.errors import ConfigurationError

__all__ = ["learning_rate_groups"]

WHAT = {
    "shared": "MALoRA's S_A",
    "coefficients": "MALoRA's P_t",
    "down": "A_t",
    "expansion": "B_t",
    "router": "a router",
}
KINDS = {"S": "shared", "P": "coefficients", "A": "down", "B": "expansion", "router": "router"}


def learning_rate_groups(
    model: nn.Module,
    lr: float,
    *,
    shared: float = 1.0,
    coefficients: float = 1.0,
    down: float = 1.0,
    expansion: float = 1.0,
    router: float = 1.0,
    weight_decay: float = 0.0,
) -> list[dict[str, Any]]:
    """Return the trainable weights of `model` as groups for an optimiser, each with its own learning rate.

    Args:
        model: A model with MALoRA or MoLoRA adapters.
        lr: Learning rate of a weight whose ratio is 1, and of what is trained besides (`modules_to_save`).
        shared: Ratio for MALoRA's S_A.
        coefficients: Ratio for its P_t.
        down: Ratio for MoLoRA's A_t.
        expansion: Ratio for the B_t of both. LoRA+ takes 4 to 16.
        router: Ratio for the routers.
        weight_decay: Of every group.

    Returns:
        Dictionaries with `params`, `lr`, `weight_decay` and `name`; groups without weights are left out.

    Raises:
        ConfigurationError: `lr` or a ratio is not a number above 0, the model has no mixture that is trained, or a
            ratio other than 1 is for weights of which it trains none.
    """
    ratios = {
        "shared": shared,
        "coefficients": coefficients,
        "down": down,
        "expansion": expansion,
        "router": router,
    }
    _check({"lr": lr, **ratios})
    groups = _grouped(model, tuple(ratios))
    _refuse_idle(ratios, groups)
    return [
        {"params": weights, "lr": lr * ratios.get(name, 1.0), "weight_decay": weight_decay, "name": name}
        for name, weights in groups.items()
        if weights
    ]


def _grouped(model: nn.Module, names: tuple[str, ...]) -> dict[str, list[nn.Parameter]]:
    kinds = _kinds(model)
    groups: dict[str, list[nn.Parameter]] = {name: [] for name in (*names, "others")}
    for weight in model.parameters():
        if weight.requires_grad:
            groups[kinds.get(id(weight), "others")].append(weight)
    if not any(groups[name] for name in names):
        raise ConfigurationError(
            "learning_rate_groups: the model has no mixture whose weights are trained.",
            cure="Give the model that get_peft_model made with a MaloraConfig or MoloraConfig.",
        )
    return groups


def _kinds(model: nn.Module) -> dict[int, str]:
    return {
        id(weight): KINDS[attribute.removeprefix(layer.prefix)]
        for layer in model.modules()
        if isinstance(layer, MixtureLayer)
        for attribute in layer.adapter_layer_names
        for weight in getattr(layer, attribute).parameters()
    }


def _check(rates: dict[str, Any]) -> None:
    for name, value in rates.items():
        number = isinstance(value, Real) and not isinstance(value, bool)
        if not (number and math.isfinite(value) and value > 0):
            raise ConfigurationError(
                f"learning_rate_groups: {name} = {value!r} is not a finite number above 0.",
                cure="Give a positive number, such as 5e-4 for lr or 2.0 for a ratio.",
            )


def _refuse_idle(ratios: dict[str, float], groups: dict[str, list[nn.Parameter]]) -> None:
    """Raise `ConfigurationError` for a ratio that would change nothing."""
    for name, ratio in ratios.items():
        if ratio != 1.0 and not groups[name]:
            trained = [other for other in ratios if groups[other]]
            raise ConfigurationError(
                f"learning_rate_groups: {name} = {ratio} has no effect: the model trains no weight of that kind "
                f"({WHAT[name]}).",
                cure=f"Leave it out. This model has: {', '.join(trained)}.",
            )
