"""Fold a routed mixture into a plain LoRA, which everything that serves LoRA adapters serves.

    folded = fold(model, calibration=batches, held_out=others)
    folded.save("french")            # an ordinary PEFT folder; to load it nobody needs this package
    folded.loss.kl                   # what it cost, in nats a token

What is fixed is which experts answer, so each fold belongs to a domain: fold once for French, once for Spanish.
`fold_weights` has the algebra, `calibration` the choice of what is fixed, `fold_measure` what is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn

from mezzofanti.adapters.calibration import Batch, batches_of, calibrate
from mezzofanti.adapters.fold_fit import fit_gates
from mezzofanti.adapters.fold_folder import check_plain, lora_config, write_folder
from mezzofanti.adapters.fold_measure import FoldLoss, Score, measure, plain, standing_in
from mezzofanti.adapters.fold_weights import Factors, Mixture, mixtures_of, sole_adapter, truncate
from mezzofanti.errors import ConfigurationError, nearest

__all__ = ["Folded", "How", "fold"]

How = Literal["regression", "mean", "kl"]
Rows = Sequence[Batch] | Sequence[str]
Gates = Mapping[str, Tensor | Sequence[float]] | Tensor | Sequence[float]
Progress = Callable[[int, int], None]


@dataclass
class Folded:
    """A mixture made a plain LoRA.

    Attributes:
        factors: A (D, I) and B (O, D) by layer, named as in the base model; scale 1.
        gates: The fixed gates (E) by layer; empty for `how="regression"`, which fixes more than gates.
        how: "gates" (given), "mean", "regression" or "kl".
        loss: What was lost against the routed model; None where nothing was measured.
        truncation: Relative error of the cut to `rank=`, Frobenius norm, by layer; 0 where nothing was cut.
    """

    factors: dict[str, Factors]
    gates: dict[str, Tensor]
    how: str
    loss: FoldLoss | None
    truncation: dict[str, float]
    config: Any = field(repr=False)
    _model: nn.Module = field(repr=False)

    @property
    def rank(self) -> int:
        """The largest rank of a layer: the folder's `r`."""
        return max(one.rank for one in self.factors.values())

    @contextmanager
    def standing_in(self) -> Iterator[None]:
        """Let the model that was folded answer as the fold does while the block runs."""
        with standing_in(self._model, {name: plain(one) for name, one in self.factors.items()}):
            yield

    def save(self, folder: Path | str, *, base: str | None = None, title: str = "") -> Path:
        """Write an ordinary PEFT LoRA folder with a card, whole or not at all, and return it.

        `base` replaces the base model's name in it. Raises `ConfigurationError` where `folder` is something else
        than an adapter's folder.
        """
        config = lora_config(self._model, self.config, self.factors, base)
        return write_folder(Path(folder), config, self, title)


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
        how: "regression" or "mean" gates (`calibration`), or "kl": gates fitted by `steps` gradient steps (`fold_fit`).
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
    how_chosen, chosen, mixed = _chosen(model, name, mixtures, rows, how, gates, steps, progress)
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


def _chosen(
    model: nn.Module,
    adapter: str,
    mixtures: Mapping[str, Mixture],
    rows: list[Batch],
    how: How,
    gates: Gates | None,
    steps: int,
    progress: Progress | None,
) -> tuple[str, dict[str, Tensor], dict[str, Tensor]]:
    """What is fixed: how it was chosen, the gates (E) by layer, and C (F, D) by layer."""
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


def _cut(factors: dict[str, Factors], rank: int | None) -> tuple[dict[str, Factors], dict[str, float]]:
    if rank is None:
        return factors, dict.fromkeys(factors, 0.0)
    if rank < 1:
        raise ConfigurationError(f"fold: rank = {rank} is not above 0.", cure="Give 1, 2, 3, ...")
    cut = {layer: truncate(one, rank) for layer, one in factors.items()}
    return {layer: one for layer, (one, _) in cut.items()}, {layer: lost for layer, (_, lost) in cut.items()}
