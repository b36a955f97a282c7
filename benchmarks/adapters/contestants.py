"""Every adapter that is compared, by name; all on the same linear maps, all with the paper's scale of 2.

    lora-r16        LoRA of rank 16; any rank
    lora-equal      LoRA of the rank that gives as many parameters as MALoRA has (about 71)
    rslora-equal    the same with the scale 32 / sqrt(r): rank 16's alpha
    dora-equal      the same rank as DoRA
    asylora-equal   LoRA of twice the rank whose A stays as it was drawn, as the paper has it
    lora-time       LoRA of the rank whose step takes as long as MALoRA's
    molora-r8       a mixture of eight LoRAs, two chosen; any rank
    malora          the paper's sizes: eight experts of rank 12, two chosen, shared rank 32
    malora-small    rank 8, shared rank 22
    malora-24-64    another rank and shared rank

Every mixture has the load balance 0.001 of the paper's text, where its tables 8 and 9 have 0.01, and MALoRA's beta is 1
also within a domain, where table 9 has 1.25.

At the end, `-sorted` and `-loop`: the same mixture by another product; `-recompute`: the hidden values anew in the
backward pass; `-block`: one router a layer; `-normalised`: the chosen gates sum to 1. Ablations, as in the paper's
table 3: `-fixedS`, `-frozenP`, `-unshared`, `-decomposedB` of MALoRA; of MoLoRA `-sameA`, and `-fixedA`, which is the
paper's MoAsyLoRA.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from benchmarks.adapters.counting import PAPER_MODULES, adapted_maps, equal_rank, malora, total
from mezzofanti.errors import ConfigurationError, nearest

__all__ = ["ABLATIONS", "RANKS", "SPEED", "TIME_RANK", "config", "freeze", "matching_rank"]

SPEED = (
    "lora-r16",
    "lora-equal",
    "rslora-equal",
    "lora-time",
    "malora",
    "malora-small",
    "molora-r8",
    "malora-recompute",
    "malora-block",
    "malora-sorted",
    "molora-r8-sorted",
    "malora-loop",
    "molora-r8-loop",
)
RANKS = (
    *("molora-r4", "molora-r8", "molora-r16", "molora-r32"),
    *("malora-6-16", "malora", "malora-24-64", "malora-48-128"),
)
ABLATIONS = (
    *("malora-16-32-fixedS", "malora-8-64", "malora-unshared", "malora-frozenP", "malora-decomposedB"),
    *("molora-r12", "molora-r12-sameA", "molora-r16-fixedA", "asylora-equal"),
)
"""Table 3 of the paper, but for MALoRA and MoLoRA themselves, which the studies hold."""
TIME_RANK = 91
"""The rank of `lora-time` in the step benchmark: what the quality studies found (`malora_quality.json`), on the upper
half of SmolLM2-135M with dropout 0.05. There it is measured; a race of steps must not change with another's file."""
RANK, SHARED = 12, 32
BETAS = {(6, 16): 0.3, (24, 64): 3.5, (48, 128): 5.0}
"""beta grows with the rank (table 11 of the paper); it is 1 where nothing stands here."""
ENDINGS: dict[str, dict[str, Any]] = {
    "sorted": {"mixing": "sorted"},
    "loop": {"mixing": "loop"},
    "recompute": {"recompute_hidden": True},
    "block": {"router_scope": "block"},
    "normalised": {"norm_topk_prob": True},
    "fixedS": {"ablation": "fixed-S_A"},
    "frozenP": {"ablation": "frozen-P"},
    "unshared": {"ablation": "no-sharing"},
    "decomposedB": {"ablation": "decompose-B"},
    "sameA": {"ablation": "same-A"},
    "fixedA": {"ablation": "fixed-shared-A"},
}


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
    if kind in ("lora", "rslora", "dora", "asylora"):
        return _lora(name, kind, rest, common, {"equal": equal, "time": time})
    size, _, ending = rest.rpartition("-")
    if ending in ENDINGS:
        common |= ENDINGS[ending]
    else:
        size = rest
    if kind == "malora":
        return _malora(name, size, common)
    if kind == "molora" and (found := re.fullmatch(r"r(\d+)", size)):
        from mezzofanti.adapters import MoloraConfig

        rank = int(found[1])
        return MoloraConfig(r=rank, lora_alpha=2 * rank, **common)
    raise _unknown(name)


def freeze(name: str, adapted: Any) -> Any:
    """Keep what a contestant does not train as it was drawn; return the adapted model."""
    for weight_name, weight in adapted.named_parameters():
        if name.startswith("asylora") and ".lora_A." in weight_name:
            weight.requires_grad_(False)
    return adapted


def _lora(name: str, kind: str, size: str, common: dict[str, Any], ranks: dict[str, int | None]) -> Any:
    from peft import LoraConfig

    rank = ranks.get(size)
    if found := re.fullmatch(r"r(\d+)", size):
        rank = int(found[1])
    elif size == "time" and rank is None:
        raise ConfigurationError(
            "The rank whose step takes as long as MALoRA's is not known.",
            cure="python -m benchmarks.adapters quality measures it where lora-time is among its cells.",
        )
    if rank is None:
        raise _unknown(name)
    rank = 2 * rank if kind == "asylora" else rank
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


def _unknown(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"There is no contestant {name!r}.", cure=nearest(name, {*SPEED, *RANKS, *ABLATIONS})
    )
