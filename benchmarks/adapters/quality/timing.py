"""LoRA whose step takes as long as MALoRA's: steps of several ranks are timed, and its rank is read off a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.adapters.contestants import matching_rank
from benchmarks.adapters.quality.pupil import (
    adapted_layers,
    base_model,
    encoded_rows,
    mixed_batches,
    tokenizer_of,
)
from benchmarks.adapters.quality.setting import Job, Setting, load
from benchmarks.adapters.quality.table import cells_of
from benchmarks.adapters.rounds import interval, journal_path, ratio, run_rounds, seconds_of
from benchmarks.adapters.workloads import Racer, adapt
from benchmarks.record import circumstances, tell
from mezzofanti.continual.encoding import collator
from mezzofanti.continual.loss import labelled_loss
from mezzofanti.files import read_json, write_json

__all__ = ["do_timing", "rank_of_time", "time_rank", "timing_path"]

TIMES = (1, 2, 3)
"""LoRA is timed at so many times the equal rank."""


def timing_path(setting: Setting) -> Path:
    """Where a timing notes what it found; `Plan.write` copies it into the result, under "timing"."""
    return setting.folder / "timing.json"


def time_rank(setting: Setting) -> int | None:
    """The rank at which LoRA's step takes as long as MALoRA's; None where it is not measured yet.

    The rank of a cell of `lora-time` that stands comes first: all of them have one rank, whatever a later timing
    finds. Then that of the timing, from its folder or, where that is gone, from the result.
    """
    result = read_json(setting.result) if setting.result.is_file() else {"studies": {}}
    cells = [
        cell
        for study in result["studies"].values()
        for name, by_seed in cells_of(study).items()
        if name.partition(" at ")[0] == "lora-time"
        for cell in by_seed.values()
    ]
    path = timing_path(setting)
    timing = read_json(path) if path.is_file() else result.get("timing")
    found = cells[0] if cells else timing
    return int(found["rank"]) if found else None


def do_timing(setting: Setting) -> dict[str, Any]:
    """Time MALoRA and LoRA of several ranks in interleaved rounds on a real batch, and note the rank of equal time.

    `low` to `high` is the rank's 95 % interval: a bootstrap over rounds, as for the ratios `malora_to`.
    """
    tokenizer = tokenizer_of(setting)
    batch = _batch(setting, tokenizer)
    base = base_model(setting)
    layers = adapted_layers(setting, base)
    equal = matching_rank(base, layers)
    ranks = [times * equal for times in TIMES]

    def build() -> list[Racer]:
        inputs = collator(tokenizer)([dict(row) for row in batch])
        options = {"layers": layers, "dropout": setting.dropout}
        names = ["malora", *map(_lora, ranks)]
        return [
            Racer(name, adapt(name, base, **options), lambda model: labelled_loss(model, inputs))
            for name in names
        ]

    found = {"equal_rank": equal, "threads": torch.get_num_threads(), **_timed(setting, build, ranks)}
    write_json(timing_path(setting), found)
    return found


def _lora(rank: int) -> str:
    return f"lora-r{rank}"


def _batch(setting: Setting, tokenizer: Any) -> list[Any]:
    lessons = load(setting, Job("cell", next(iter(setting.studies)), "malora", 0, 0.0))
    rows, _ = encoded_rows(setting, lessons, tokenizer)
    return mixed_batches(rows, 1, setting.training.per_device_train_batch_size, 0)[0]


def _timed(setting: Setting, build: Callable[[], list[Racer]], ranks: Sequence[int]) -> dict[str, Any]:
    """Run the rounds and say what they give."""
    settings = {"ranks": list(ranks), "dropout": setting.dropout, "threads": torch.get_num_threads()}
    journal = journal_path(setting.folder, "timing", {**settings, **circumstances("")})
    if timing_path(setting).is_file():  # finished before, and asked for again: made anew
        journal.unlink(missing_ok=True)
        timing_path(setting).unlink()
    rows = run_rounds(build, journal, setting.timing_rounds, lambda done, total: tell("timing", done, total))
    seconds = {name: seconds_of(rows, name) for name in ("malora", *map(_lora, ranks))}
    medians = {name: float(np.median(taken)) for name, taken in seconds.items()}
    low, high = interval(lambda *taken, axis: _rank_of_rounds(ranks, taken, axis), *seconds.values())
    return {
        "rank": rank_of_time(ranks, [medians[_lora(rank)] for rank in ranks], medians["malora"]),
        "low": low,
        "high": high,
        "largest_considered": 2 * max(ranks),
        "rounds": len(rows),
        "median_seconds": medians,
        "malora_to": {_lora(rank): ratio(seconds["malora"], seconds[_lora(rank)]) for rank in ranks},
        "seconds": seconds,
    }


def rank_of_time(ranks: Sequence[int], seconds: Sequence[float], wanted: float) -> int:
    """Return the rank whose step takes `wanted` seconds, on a straight line through the timed ones.

    At least 1 and at most twice the largest timed rank, also where time does not grow with the rank: beyond that
    a line says nothing. The result file states that bound.
    """
    return int(_on_the_line(ranks, np.asarray(seconds), np.asarray(wanted)))


def _rank_of_rounds(ranks: Sequence[int], taken: Sequence[np.ndarray], axis: int) -> np.ndarray:
    malora, *loras = (np.median(seconds, axis=axis) for seconds in taken)
    return _on_the_line(ranks, np.stack(loras), malora)


def _on_the_line(ranks: Sequence[int], seconds_RN: np.ndarray, wanted_N: np.ndarray) -> np.ndarray:
    """`rank_of_time` of N resamples at once."""
    most = 2 * max(ranks)
    slope_N, start_N = np.polyfit(ranks, seconds_RN, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rank_N = np.round((wanted_N - start_N) / slope_N)
    return np.where(slope_N > 0, np.clip(rank_N, 1, most), most)
