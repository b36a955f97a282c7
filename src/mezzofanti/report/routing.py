"""Which experts answered for which language: the routers that tell the tasks apart most, and all in one figure.

Experts of different routers have nothing to do with each other, so their loads are never added up: a few routers are
shown whole. How far two groups are apart in one router is the total variation of their loads, half the sum of the
absolute differences: 0 where they use the same experts alike, 1 where they share none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from mezzofanti.report.names import labels
from mezzofanti.report.reading import Reading, Routed

__all__ = ["Group", "Router", "Routing", "routing", "variation"]

SHOWN = 3


@dataclass(frozen=True)
class Group:
    """What all routers did for one task (and language): mean entropy, and experts that none of its tokens chose."""

    name: str
    entropy: float
    dead: int | None


@dataclass(frozen=True)
class Router:
    """One router: `loads[g][e]` is the share of group g's slots that went to expert e."""

    name: str
    loads: tuple[tuple[float, ...], ...]
    apart: float


@dataclass(frozen=True)
class Routing:
    """One learner's routers after its last task. `apart` is the mean over routers and pairs of groups.

    `dead` counts experts that no group chose; it is no sum over the groups, since what one leaves out another may use.
    """

    label: str
    groups: tuple[Group, ...]
    routers: tuple[Router, ...]
    count: int
    apart: float | None
    entropy: float
    dead: int
    experts: int


def routing(readings: Sequence[Reading]) -> list[Routing]:
    """The routers of every learner that has some."""
    return [
        _routing(label, reading.routing)
        for label, reading in zip(labels(readings), readings, strict=True)
        if reading.routing
    ]


def variation(first: Sequence[float], second: Sequence[float]) -> float:
    """Half the sum of the absolute differences of two loads."""
    return sum(abs(a - b) for a, b in zip(first, second, strict=True)) / 2


def _routing(label: str, groups: Sequence[Routed]) -> Routing:
    names = [name for name in groups[0].load if all(name in group.load for group in groups)]
    routers = [_router(name, groups) for name in names]
    several = len(groups) > 1 and routers
    chosen = sorted(routers, key=lambda router: -router.apart)[:SHOWN]
    return Routing(
        label=label,
        groups=tuple(_group(group, groups) for group in groups),
        routers=tuple(chosen),
        count=len(routers),
        apart=sum(router.apart for router in routers) / len(routers) if several else None,
        entropy=sum(group.routing_entropy for group in groups) / len(groups),
        dead=_dead(routers),
        experts=sum(len(router.loads[0]) for router in routers),
    )


def _router(name: str, groups: Sequence[Routed]) -> Router:
    loads = tuple(group.load[name] for group in groups)
    apart: Any = [variation(a, b) for a, b in combinations(loads, 2)] or [0.0]
    return Router(name, loads, sum(apart) / len(apart))


def _dead(routers: Sequence[Router]) -> int:
    """Experts that no group chose once."""
    return sum(not any(column) for router in routers for column in zip(*router.loads, strict=True))


def _group(group: Routed, groups: Sequence[Routed]) -> Group:
    return Group(_group_name(group, groups), group.routing_entropy, group.routing_dead_experts)


def _group_name(group: Routed, groups: Sequence[Routed]) -> str:
    shared = sum(other.task == group.task for other in groups) > 1
    return f"{group.task} ({group.language})" if shared and group.language else group.task
