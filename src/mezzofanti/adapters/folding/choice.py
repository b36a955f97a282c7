"""What a fold fixes: gates that were given, or what rows of its domain say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from mezzofanti.adapters.folding.calibration import Batch, calibrate
from mezzofanti.adapters.folding.fit import fit_gates
from mezzofanti.adapters.folding.weights import Mixture
from mezzofanti.errors import ConfigurationError, nearest

__all__ = ["Gates", "How", "Progress", "choose"]

How = Literal["regression", "mean", "kl"]
Gates = Mapping[str, Tensor | Sequence[float]] | Tensor | Sequence[float]
Progress = Callable[[int, int], None]


def choose(
    model: nn.Module,
    adapter: str,
    mixtures: Mapping[str, Mixture],
    rows: list[Batch],
    how: How,
    gates: Gates | None,
    steps: int,
    progress: Progress | None,
) -> tuple[str, dict[str, Tensor], dict[str, Tensor]]:
    """Return how it was chosen, the gates (E) by layer, and C (F, D) by layer.

    Raises `ConfigurationError` for an unknown `how`, no rows to calibrate on, or gates that do not fit the layers.
    """
    if how not in get_args(How):
        raise ConfigurationError(f"fold: how = {how!r} is unknown.", cure=nearest(str(how), get_args(How)))
    if gates is not None:
        fixed = _given(gates, mixtures)
        return "gates", fixed, {layer: one.gated(fixed[layer]) for layer, one in mixtures.items()}
    if not rows:
        raise ConfigurationError(
            "fold: neither calibration= nor gates= is given, or the calibration is empty.",
            cure="Give rows of the domain: calibration=batches, or texts with tokenizer=.",
        )
    moments = calibrate(model, adapter, rows)
    if how == "regression":
        return how, {}, {layer: found.regression(mixtures[layer]) for layer, found in moments.items()}
    fixed = {layer: found.mean_gates for layer, found in moments.items()}
    if how == "kl":
        fixed = fit_gates(model, adapter, fixed, rows, steps=steps, progress=progress)
    return how, fixed, {layer: one.gated(fixed[layer]) for layer, one in mixtures.items()}


def _given(gates: Gates, mixtures: Mapping[str, Mixture]) -> dict[str, Tensor]:
    by_layer = gates if isinstance(gates, Mapping) else dict.fromkeys(mixtures, gates)
    missing = [layer for layer in mixtures if layer not in by_layer]
    unknown = [layer for layer in by_layer if layer not in mixtures]
    if missing or unknown:
        raise ConfigurationError(
            f"fold: gates= has no {missing[0]}." if missing else f"fold: gates= names {unknown[0]}.",
            cure="Name every adapted layer as it is named in the base model."
            if missing
            else nearest(unknown[0], mixtures),
        )
    fixed = {layer: torch.as_tensor(by_layer[layer], dtype=torch.float64) for layer in mixtures}
    for layer, one in mixtures.items():
        if fixed[layer].shape != (one.experts,) or not fixed[layer].isfinite().all():
            raise ConfigurationError(
                f"fold: gates of {layer} are {fixed[layer].tolist()}.",
                cure=f"Give {one.experts} finite numbers.",
            )
    return fixed
