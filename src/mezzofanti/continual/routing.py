"""Which experts answer for which task and language, measured once after every task on a few rows of each.

Source of the figures: `mezzofanti.adapters.telemetry`. Only the tokens of the answers count: the words around them are
the same in every row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from mezzofanti.adapters.telemetry import measure_routing
from mezzofanti.continual.encoding import collator, encode
from mezzofanti.records import Sample

__all__ = ["routing_of"]


def routing_of(
    model: Any, tokenizer: Any, groups: Mapping[str, Sequence[Sample]], *, max_length: int
) -> list[dict[str, Any]]:
    """Return one row a task and language: `task`, `language`, `rows`, the summary, and the `load` of every router."""
    return [
        _row(model, tokenizer, task, language, samples, max_length)
        for task, rows in groups.items()
        for language, samples in _by_language(rows).items()
    ]


def _by_language(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        groups[sample.language].append(sample)
    return groups


def _row(
    model: Any, tokenizer: Any, task: str, language: str, samples: Sequence[Sample], max_length: int
) -> dict[str, Any]:
    rows, _ = encode(samples, tokenizer, max_length=max_length, least=0)
    tally = measure_routing(model, [collator(tokenizer)(rows)] if rows else [])
    return {
        "task": task,
        "language": language,
        "rows": len(rows),
        **tally.summary(),
        "load": {layer: [round(share, 4) for share in load] for layer, load in tally.load().items()},
    }
