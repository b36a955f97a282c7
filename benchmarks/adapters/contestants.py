"""Every adapter that is compared, by name; all on the same linear maps, all with the paper's scale of 2.

    lora-r16        LoRA of rank 16; any rank
    lora-equal      LoRA of the rank that gives as many parameters as MALoRA has (about 71)
    rslora-equal    the same with the scale 32 / sqrt(r): rank 16's alpha
    dora-equal      the same rank as DoRA
    lora-time       LoRA of the rank whose step takes as long as MALoRA's
    molora-r8       a mixture of eight LoRAs, two chosen; any rank
    malora          the paper's: eight experts of rank 12, two chosen, shared rank 32
    malora-small    rank 8, shared rank 22
    malora-24-64    another rank and shared rank

`-sorted` and `-loop` at the end: the same mixture by another product.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from benchmarks.adapters.counting import PAPER_MODULES, adapted_maps, equal_rank, malora, total
from mezzofanti.errors import ConfigurationError, nearest

__all__ = ["RANKS", "SPEED", "config", "matching_rank"]

SPEED = (
    "lora-r16",
    "lora-equal",
    "rslora-equal",
    "malora",
    "malora-small",
    "molora-r8",
    "malora-sorted",
    "molora-r8-sorted",
    "malora-loop",
    "molora-r8-loop",
)
RANKS = (
    *("molora-r4", "molora-r8", "molora-r16", "molora-r32"),
    *("malora-6-16", "malora", "malora-24-64", "malora-48-128"),
)
RANK, SHARED = 12, 32
BETAS = {(6, 16): 0.3, (24, 64): 3.5, (48, 128): 5.0}
"""beta grows with the rank (table 11 of the paper); it is 1 where nothing stands here."""
MIXINGS = ("dense", "sorted", "loop")


def matching_rank(model: Any, layers: Sequence[int] | None = None) -> int:
    """Return the rank that gives LoRA as many parameters as MALoRA on the same maps of `model`."""
    maps = adapted_maps(model, layers=layers)
    return equal_rank(maps, total(maps, malora, RANK, SHARED))


def config(
    name: str,
    *,
    equal: int,
    time: int | None = None,
    layers: Sequence[int] | None = None,
    dropout: float = 0.0,
) -> Any:
    """Return the PEFT config called `name`; `equal` and `time` are the ranks of `-equal` and `-time`.

    Raises `ConfigurationError` for an unknown name, or for `-time` where that rank is not known yet.
    """
    common: dict[str, Any] = {
        "target_modules": list(PAPER_MODULES),
        "layers_to_transform": list(layers) if layers is not None else None,
        "lora_dropout": dropout,
    }
    kind, _, rest = name.partition("-")
    if kind in ("lora", "rslora", "dora"):
        return _lora(name, kind, rest, common, {"equal": equal, "time": time})
    *size, mixing = rest.split("-") if rest.endswith(MIXINGS[1:]) else [*rest.split("-"), "dense"]
    if kind == "malora":
        return _malora(name, "-".join(size), {**common, **_mixing(mixing)})
    if kind == "molora" and (found := re.fullmatch(r"r(\d+)", "-".join(size))):
        from mezzofanti.adapters import MoloraConfig  # type: ignore[attr-defined]

        rank = int(found[1])
        return MoloraConfig(r=rank, lora_alpha=2 * rank, **common, **_mixing(mixing))
    raise _unknown(name)


def _lora(name: str, kind: str, size: str, common: dict[str, Any], ranks: dict[str, int | None]) -> Any:
    from peft import LoraConfig

    rank = ranks.get(size)
    if found := re.fullmatch(r"r(\d+)", size):
        rank = int(found[1])
    elif size == "time" and rank is None:
        raise ConfigurationError(
            "The rank whose step takes as long as MALoRA's is not known.",
            cure="Run python -m benchmarks.adapters speed first.",
        )
    if rank is None:
        raise _unknown(name)
    alpha = 32 if kind == "rslora" else 2 * rank
    return LoraConfig(
        r=rank, lora_alpha=alpha, use_rslora=kind == "rslora", use_dora=kind == "dora", **common
    )


def _malora(name: str, size: str, common: dict[str, Any]) -> Any:
    from mezzofanti.adapters import MaloraConfig

    rank, shared = (RANK, SHARED) if not size else (8, 22) if size == "small" else (0, 0)
    if found := re.fullmatch(r"(\d+)-(\d+)", size):
        rank, shared = int(found[1]), int(found[2])
    if not rank:
        raise _unknown(name)
    beta = BETAS.get((rank, shared), 1.0)
    return MaloraConfig(r=rank, lora_alpha=2 * rank, shared_rank=shared, beta=beta, **common)


def _mixing(name: str) -> dict[str, str]:
    return {} if name == "dense" else {"mixing": name}


def _unknown(name: str) -> ConfigurationError:
    return ConfigurationError(f"There is no contestant {name!r}.", cure=nearest(name, {*SPEED, *RANKS}))
