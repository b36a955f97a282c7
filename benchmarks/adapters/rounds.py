"""Interleaved rounds: every contestant takes one step a round, in an order drawn anew, and each round is kept.

A journal belongs to its settings and to the versions and the machine: with others, another one is begun.
"""

from __future__ import annotations

import gc
import hashlib
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.adapters.workloads import Racer
from mezzofanti.files import append_jsonl, read_jsonl, write_jsonl

__all__ = ["Ratio", "interval", "journal_path", "ratio", "run_rounds", "seconds_of"]

WARM_UP = 2
LEAST_ROUNDS = 5
Ratio = dict[str, Any]
Progress = Callable[[int, int], None]


def journal_path(folder: Path, workload: str, settings: dict[str, Any]) -> Path:
    """Where the rounds of these settings lie."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
    return folder / f"{workload}-{digest}.jsonl"


def run_rounds(
    build: Callable[[], Sequence[Racer]], journal: Path, rounds: int, progress: Progress
) -> list[dict[str, Any]]:
    """Run the rounds that `journal` does not hold yet and return all.

    One row is {"round": number, "seconds": {name: seconds}, "parameters": {name: count}}.
    A killed run goes on after its last whole round, with racers warmed up again.
    """
    known = list(read_jsonl(journal, torn_tail=True)) if journal.is_file() else []
    if len(known) >= rounds:
        return known[:rounds]
    write_jsonl(journal, known)  # a torn last line must not be written on
    racers = list(build())
    for _ in range(WARM_UP):
        _round(racers, 0)
    for number in range(len(known), rounds):
        row = {
            "round": number,
            "seconds": _round(racers, number),
            "parameters": {racer.name: racer.parameters for racer in racers},
        }
        append_jsonl(journal, row)
        known.append(row)
        progress(number + 1, rounds)
    return known


def _round(racers: Sequence[Racer], number: int) -> dict[str, float]:
    order = list(racers)
    random.Random(number).shuffle(order)
    gc.collect()
    gc.disable()
    try:
        found = {racer.name: racer.step() for racer in order}
    finally:
        gc.enable()
    return {racer.name: found[racer.name] for racer in racers}


def seconds_of(rows: Sequence[dict[str, Any]], name: str) -> list[float]:
    """The seconds of one contestant, round by round."""
    return [row["seconds"][name] for row in rows]


def ratio(above: Sequence[float], below: Sequence[float]) -> Ratio:
    """Return median(above) / median(below) with a 95 % bootstrap interval over rounds drawn in pairs."""
    found = float(np.median(above) / np.median(below))
    low, high = interval(_medians_ratio, above, below)
    return {"ratio": found, "low": low, "high": high, "rounds": len(above)}


def interval(
    statistic: Callable[..., Any], *samples: Sequence[float]
) -> tuple[float, float] | tuple[None, None]:
    """Return a statistic's 95 % bootstrap interval over rounds, each drawn for all samples together.

    `statistic(*samples, axis=...)` takes arrays. (None, None) where there are too few rounds to say.
    """
    from scipy.stats import bootstrap

    if len(samples[0]) < LEAST_ROUNDS:
        return None, None
    found = bootstrap(
        tuple(map(np.asarray, samples)),
        statistic,
        paired=True,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)


def _medians_ratio(above: np.ndarray, below: np.ndarray, axis: int = -1) -> Any:
    return np.median(above, axis=axis) / np.median(below, axis=axis)
