"""Fold a routed mixture into a plain LoRA, which everything that serves LoRA adapters serves.

    folded = fold(model, calibration=batches, held_out=others)
    folded.save("french")            # an ordinary PEFT folder; to load it nobody needs this package
    folded.loss.kl                   # what it cost, in nats a token

What is fixed is which experts answer, so each fold belongs to a domain: fold once for French, once for Spanish.
`fold` below is the path through this room:

    weights        the algebra: with fixed gates a mixture is a plain LoRA
    choice         what is fixed: given gates, or what rows say, by way of
    calibration        one pass of the routed model over the rows, and
    fit                gates fitted to its answers by gradient
    measure        what is lost, against the routed model
    folded         the fold in hand; on disk it is
    folder, card       an ordinary PEFT folder, and the page that says what it is
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from torch import nn

from mezzofanti.adapters.folding.calibration import Batch, batches_of
from mezzofanti.adapters.folding.choice import Gates, How, Progress, choose
from mezzofanti.adapters.folding.folded import Folded
from mezzofanti.adapters.folding.folder import check_plain
from mezzofanti.adapters.folding.measure import Score, measure
from mezzofanti.adapters.folding.weights import Factors, mixtures_of, sole_adapter, truncate
from mezzofanti.errors import ConfigurationError

__all__ = ["Folded", "fold"]

Rows = Sequence[Batch] | Sequence[str]


def fold(
    model: nn.Module,
    *,
    calibration: Rows | None = None,
    how: How = "regression",
    gates: Gates | None = None,
    held_out: Rows | None = None,
    score: Score | None = None,
    rank: int | None = None,
    steps: int = 30,
    adapter: str | None = None,
    tokenizer: Any = None,
    progress: Progress | None = None,
) -> Folded:
    """Make the routed adapter of `model` a plain LoRA for the domain of `calibration`. The model stays as it is.

    Args:
        model: A PEFT model with a MALoRA (or MoLoRA) adapter, or a transformers model with one loaded.
        calibration: Rows of the domain: batches (`input_ids`, and `attention_mask`, `labels` where there are any), or
            texts with `tokenizer=`.
        how: "regression" or "mean" gates (`calibration`), or "kl": gates fitted by `steps` gradient steps (`fit`).
        gates: Instead of a calibration: E numbers for all layers, or E by layer name.
        held_out: Rows to measure the loss on; without them it is measured on the calibration's, which the card says.
        score: A figure of merit, called with the model, routed and folded; both results go on the card.
        rank: Cut every layer to this rank by a truncated SVD; errors are in `truncation` and on the card.
        adapter, progress: The active adapter by default; called with steps done and steps in all of "kl".

    Raises:
        ConfigurationError: no mixture, nothing to calibrate on, gates that do not fit, more trained than mixtures.
    """
    name = sole_adapter(model, adapter)
    config = cast(Any, model).peft_config[name]
    check_plain(config)
    mixtures = mixtures_of(model, name)
    rows, others = _batches(calibration, tokenizer), _batches(held_out, tokenizer)
    how_chosen, chosen, mixed = choose(model, name, mixtures, rows, how, gates, steps, progress)
    factors, lost = _cut({layer: one.factors(mixed[layer]) for layer, one in mixtures.items()}, rank)
    measured = others or rows or score is not None
    loss = measure(model, factors, others or rows, bool(others), score) if measured else None
    return Folded(factors, chosen, how_chosen, loss, lost, config, model)


def _batches(rows: Rows | None, tokenizer: Any) -> list[Batch]:
    given: list[Any] = [] if rows is None else list(rows)
    if not any(isinstance(row, str) for row in given):
        return given
    if tokenizer is None:
        raise ConfigurationError(
            "fold: the rows are texts, and there is no tokenizer.", cure="Give tokenizer= as well."
        )
    return batches_of(given, tokenizer)


def _cut(factors: dict[str, Factors], rank: int | None) -> tuple[dict[str, Factors], dict[str, float]]:
    if rank is None:
        return factors, dict.fromkeys(factors, 0.0)
    if rank < 1:
        raise ConfigurationError(f"fold: rank = {rank} is not above 0.", cure="Give 1, 2, 3, ...")
    cut = {layer: truncate(one, rank) for layer, one in factors.items()}
    return {layer: one for layer, (one, _) in cut.items()}, {layer: lost for layer, (_, lost) in cut.items()}
