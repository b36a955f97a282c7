"""Rows a fold is made from: one group a language, skill or task, and in each some that are held out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mezzofanti.continual.serving.source import Source
from mezzofanti.continual.serving.speech import encode_as_spoken
from mezzofanti.errors import ConfigurationError, DataError, nearest
from mezzofanti.records import Sample, read_samples

if TYPE_CHECKING:
    from mezzofanti.continual.pupil import Pupil

__all__ = ["By", "chosen_groups", "encoded_rows", "grouped_rows", "split_rows"]

By = Literal["language", "skill", "task"]
HELD_OUT = 5
"""Every fifth row is held out from calibration."""
BATCH = 8


def grouped_rows(source: Source, by: By, rows: Path | None) -> dict[str, list[Sample]]:
    """Return the rows of the file `rows`, or else what the learner remembers, by language, skill or task.

    Raises `DataError` where there are none, or some without the name they are to be grouped by.
    """
    if rows is None and not source.memory:
        raise DataError(
            f"fold: {source.path} remembers no rows to calibrate on.", cure="Name some with --rows FILE."
        )
    if rows is not None and by == "task":
        raise ConfigurationError(
            "fold: rows of a file have no task.", cure="Use --by language or --by skill."
        )
    told = [("", sample) for sample in read_samples(rows)] if rows is not None else source.memory
    pairs = [(task if by == "task" else getattr(sample, by), sample) for task, sample in told]
    where = rows or source.path
    without = sum(not name for name, _ in pairs)
    if not pairs or without:
        what = (
            f"{without} of {len(pairs)} rows in {where} have no {by}" if pairs else f"{where} holds no rows"
        )
        raise DataError(
            f"fold: {what}.", cure=f'Give each row its "{by}", as in {{"{by}": "fr", "messages": [...]}}.'
        )
    groups: dict[str, list[Sample]] = {}
    for name, sample in pairs:
        groups.setdefault(name, []).append(sample)
    return groups


def chosen_groups(groups: dict[str, list[Sample]], only: Sequence[str], by: By) -> dict[str, list[Sample]]:
    """Return the groups named in `only`, or all. Raises `ConfigurationError` for a name that is none of them."""
    for name in only:
        if name not in groups:
            raise ConfigurationError(f"fold: no row has the {by} {name!r}.", cure=nearest(name, groups))
    chosen = {name: groups[name] for name in only or groups}
    for name in chosen:
        if Path(name).name != name or name.startswith("."):
            raise ConfigurationError(f"fold: the {by} {name!r} cannot be a folder's name.", cure="Rename it.")
    return chosen


def split_rows(samples: list[Sample], seed: str) -> tuple[list[Sample], list[Sample]]:
    """Rows to calibrate on, and rows to measure on: none where there are fewer than two."""
    shuffled = random.Random(seed).sample(samples, len(samples))
    count = max(len(samples) // HELD_OUT, min(1, len(samples) - 1))
    return shuffled[count:], shuffled[:count]


def encoded_rows(pupil: Pupil, samples: list[Sample]) -> tuple[list[dict[str, Any]], int]:
    """Batches of rows that fit the pupil's `max_length`, alike in length, and how many rows did not fit."""
    from mezzofanti.continual.encoding import collator

    rows, left_out = encode_as_spoken(samples, pupil.tokenizer, max_length=pupil.training.max_length)
    rows.sort(key=lambda row: len(row["input_ids"]))
    padded = collator(pupil.tokenizer)
    chunks = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    return [padded(chunk) for chunk in chunks], left_out
