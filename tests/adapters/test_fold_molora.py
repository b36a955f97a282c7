"""Mixtures whose experts share nothing fold too: to rank N * r, and to less by a truncated SVD that says its error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel, get_peft_model
from torch import Tensor
from transformers import AutoModelForCausalLM

from mezzofanti.adapters import MaloraConfig, MoloraConfig, fold
from mezzofanti.adapters.folding.weights import layers_of

GATES = [0.5, 0.0, 0.3, 0.1]


def _model(tiny_model: Any, small: dict[str, Any], kind: str, **more: Any) -> Any:
    torch.manual_seed(1)
    if kind == "molora":
        shared = {name: value for name, value in small.items() if name != "shared_rank"}
        config: Any = MoloraConfig(**shared, init_molora_weights=False, **more)
    else:
        config = MaloraConfig(**{**small, "shared_rank": 8}, init_malora_weights=False, **more)
    return get_peft_model(tiny_model, config).eval()


MIXTURES: list[tuple[str, dict[str, Any], int]] = [
    ("molora", {}, 16),
    ("molora", {"ablation": "fixed-shared-A"}, 4),
    ("molora", {"router_scope": "block"}, 16),
    ("malora", {"router_scope": "block"}, 8),
    ("malora", {"ablation": "no-sharing", "r": 2}, 8),
    ("malora", {"ablation": "decompose-B"}, 16),
    ("malora", {"mixing": "loop"}, 8),
]


@pytest.mark.parametrize(("kind", "more", "rank"), MIXTURES)
def test_every_kind_of_mixture_folds_to_its_fixed_gates(
    tiny_model: Any,
    small: dict[str, Any],
    tokens: Tensor,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    more: dict[str, Any],
    rank: int,
) -> None:
    from mezzofanti.adapters import layer, routing

    model = _model(tiny_model, {**small, **more}, kind)
    folded = fold(model, gates=GATES)
    assert folded.rank == rank
    with folded.standing_in():
        answer = model(tokens).logits

    def fixed(*arguments: Any) -> Any:
        gates_TE, *others = routing.gate(*arguments)
        return (torch.tensor(GATES).expand_as(gates_TE), *others)

    monkeypatch.setattr(layer, "gate", fixed)
    torch.testing.assert_close(answer, model(tokens).logits, rtol=1e-6, atol=1e-6)
    for how in ("mean", "regression"):
        loss = fold(model, calibration=[{"input_ids": tokens}], how=how).loss  # type: ignore[arg-type]
        assert loss is not None
        assert loss.kl == pytest.approx(0, abs=1e-6)


def test_molora_cut_is_loaded_by_peft_and_close(
    tiny_model: Any, tiny_base: Path, small: dict[str, Any], tokens: Tensor, tmp_path: Path
) -> None:
    model = _model(tiny_model, small, "molora")
    whole, cut = fold(model, gates=GATES), fold(model, gates=GATES, rank=8)
    name = "model.layers.0.mlp.down_proj"
    difference = whole.factors[name].B @ whole.factors[name].A - cut.factors[name].B @ cut.factors[name].A
    relative = torch.linalg.norm(difference) / torch.linalg.norm(
        whole.factors[name].B @ whole.factors[name].A
    )
    assert cut.truncation[name] == pytest.approx(float(relative), abs=1e-4)
    assert 0.05 < cut.truncation[name] < 0.9
    folder = cut.save(tmp_path / "cut")
    loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), folder)
    with cut.standing_in():
        torch.testing.assert_close(loaded(tokens).logits, model(tokens).logits, rtol=1e-6, atol=1e-6)
    # gates of an expert that never answers leave 12 of 16 ranks: cutting to them costs nothing
    assert max(fold(model, gates=GATES, rank=12).truncation.values()) < 1e-6
    assert set(whole.factors) == set(layers_of(model))
