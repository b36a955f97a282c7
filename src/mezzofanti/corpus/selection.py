"""Pruning: a skill crosses languages, so a small share of it is carried over (UltraLink, section 1C of its pipeline).

Selection is stratified random, as in the paper, and happens before a translation is paid for. The order of
items depends on the seed, the stratum and their names alone, not on the order they are given in.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from mezzofanti.corpus.teachers.base import stable_seed
from mezzofanti.errors import ConfigurationError

__all__ = ["draw", "select"]

Item = TypeVar("Item")


def select(
    items: Iterable[Item],
    share: float,
    *,
    seed: int = 0,
    turn: int = 0,
    key: Callable[[Item], str] = str,
    stratum: Callable[[Item], str] = lambda item: "",
) -> list[Item]:
    """Return `share` (0 to 1) of every stratum, rounded up, in the order given.

    Whoever chooses with the next `turn` goes on where the one before stopped, so that languages which choose one
    after another are given every item once before any item twice (section 6 of the specification, step 1).

    `ConfigurationError` where the share is no share or two items have one key.
    """
    if not 0 < share <= 1:
        raise ConfigurationError(f"share is {share}.", cure="Give a share above 0 and at most 1.")
    items = list(items)
    strata: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        strata[stratum(item)].append(item)
    kept: set[str] = set()
    for name, members in strata.items():
        order = draw(members, len(members), seed=seed, key=key, salt=name)
        # the small term keeps 0.1 * 30 at 3, where binary fractions make it 3.0000000000000004
        count = math.ceil(share * len(members) - 1e-9)
        kept.update(key(order[place % len(order)]) for place in range(turn * count, (turn + 1) * count))
    return [item for item in items if key(item) in kept]


def draw(
    items: Sequence[Item], count: int, *, seed: int, key: Callable[[Item], str], salt: str = ""
) -> list[Item]:
    """Return `count` items drawn at random (all where there are fewer), in the order drawn."""
    names = [key(item) for item in items]
    if len(set(names)) < len(names):
        raise ConfigurationError(
            "Two items to select from have the same name.", cure="Give each a name of its own."
        )
    return sorted(items, key=lambda item: (stable_seed(seed, salt, key(item)), key(item)))[:count]
