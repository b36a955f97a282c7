"""What a fold is calibrated on and measured by, against slow and obvious references."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from mezzofanti.adapters import fold
from mezzofanti.adapters.folding.calibration import Moments, batches_of, calibrate
from mezzofanti.adapters.folding.measure import measure
from mezzofanti.adapters.folding.weights import Mixture, layers_of, mixtures_of

Batches = list[dict[str, Tensor]]


@pytest.fixture
def sharp(adapted: Any) -> Any:
    """An adapted model whose routers and experts make a difference."""
    with torch.no_grad():
        for layer in layers_of(adapted).values():
            layer.malora_router["default"].weight.mul_(50)
            layer.malora_B["default"].weight.mul_(4)
    return adapted.eval()


@pytest.fixture
def rows() -> Batches:
    """Two batches; the first has a row of five tokens and padding."""
    generator = torch.Generator().manual_seed(3)
    first, second = (torch.randint(4, 260, shape, generator=generator) for shape in ((3, 9), (2, 6)))
    mask = torch.ones_like(first)
    mask[0, 5:] = 0
    return [{"input_ids": first, "attention_mask": mask}, {"input_ids": second}]


def _heard(model: Any, batches: Batches) -> dict[str, tuple[Tensor, Tensor]]:
    """Every real token's layer input and gates, one row at a time without padding."""
    heard: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in layers_of(model)}
    inputs: dict[str, Tensor] = {}

    def observer(layer: str, adapter: str, gates: Tensor, *rest: Any) -> None:
        heard[layer].append((inputs[layer].reshape(len(gates), -1).double(), gates.double()))

    hooks = [
        layer.register_forward_pre_hook(lambda m, a, name=name: inputs.__setitem__(name, a[0].detach()))
        for name, layer in layers_of(model).items()
    ]
    model.base_model.routing_context.observers.append(observer)
    with torch.no_grad():
        for batch in batches:
            mask = batch.get("attention_mask", torch.ones_like(batch["input_ids"])).bool()
            for row, real in zip(batch["input_ids"], mask, strict=True):
                model(row[real].unsqueeze(0))
    model.base_model.routing_context.observers.clear()
    for hook in hooks:
        hook.remove()
    return {name: tuple(map(torch.cat, zip(*pairs, strict=True))) for name, pairs in heard.items()}  # type: ignore[misc]


def test_mean_gates_are_the_means_without_padding(sharp: Any, rows: Batches) -> None:
    moments = calibrate(sharp, "default", rows)
    for name, (_, gates) in _heard(sharp, rows).items():
        assert moments[name].tokens == 5 + 9 + 9 + 2 * 6
        torch.testing.assert_close(moments[name].mean_gates, gates.mean(0), rtol=1e-5, atol=1e-7)
    folded = fold(sharp, calibration=rows, how="mean")
    assert folded.how == "mean"
    torch.testing.assert_close(folded.gates, {name: found.mean_gates for name, found in moments.items()})


def test_regression_lies_between_mean_gates_and_the_least_squares_fit(sharp: Any, rows: Batches) -> None:
    moments, mixtures = calibrate(sharp, "default", rows), mixtures_of(sharp, "default")
    for name, (x, gates) in _heard(sharp, rows).items():
        mixture, found = mixtures[name], moments[name]
        s = x @ mixture.shared_DI.T
        h = (s @ mixture.coefficients_FD.T) * gates.repeat_interleave(4, dim=-1)
        exact = torch.linalg.lstsq(s, h).solution.T
        error = {
            what: float((h - s @ mixed.T).square().sum())
            for what, mixed in (
                ("regression", found.regression(mixture)),
                ("mean", mixture.gated(found.mean_gates)),
                ("exact", exact),
            )
        }
        assert error["exact"] <= error["regression"] * (1 + 1e-9)
        assert error["regression"] <= error["mean"] * (1 + 1e-9)


def test_many_tokens_are_believed_and_noise_is_not() -> None:
    """h = (diag(g) P + D) s + noise: with many tokens D is found; with noise alone the mean gates stay."""
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)  # noqa: E731
    p, gates, more = draw(6, 4), torch.tensor([0.4, 0.2, 0.1], dtype=torch.float64), 0.1 * draw(6, 4)
    mixture = Mixture(draw(4, 5), p, draw(3, 6), 3, 1.0)
    for tokens, added, nearer in ((20000, more, True), (60, 0 * more, False)):
        s, noise = draw(tokens, 4), 0.3 * draw(tokens, 6)
        h = s @ (mixture.gated(gates) + added).T + noise
        moments = Moments(tokens, tokens * gates, s.T @ s, h.T @ s, float(h.square().sum()))
        found = moments.regression(mixture) - mixture.gated(gates)
        exact = torch.linalg.lstsq(s, h).solution.T - mixture.gated(gates)
        if nearer:
            assert torch.linalg.norm(found - added) < 0.1 * torch.linalg.norm(added)
        else:
            assert torch.linalg.norm(found) < 0.5 * torch.linalg.norm(exact)


def test_few_tokens_give_a_fold_no_worse_than_mean_gates(sharp: Any, rows: Batches) -> None:
    for few in (rows[1:], [{"input_ids": rows[1]["input_ids"][:1, :3]}]):
        losses = {
            how: fold(sharp, calibration=few, held_out=rows[:1], how=how).loss
            for how in ("regression", "mean")
        }  # type: ignore[arg-type]
        assert all(loss is not None for loss in losses.values())
        assert losses["regression"].kl < 1.25 * losses["mean"].kl  # type: ignore[union-attr]


def test_one_gate_that_never_moves_folds_without_loss(
    tiny_model: Any, small: dict[str, Any], rows: Batches
) -> None:
    from peft import get_peft_model

    from mezzofanti.adapters import MaloraConfig

    torch.manual_seed(0)
    settings = {**small, "num_experts": 4, "top_k": 4, "router_init_std": 0.0}
    model = get_peft_model(tiny_model, MaloraConfig(**settings, init_malora_weights=False)).eval()
    for how in ("mean", "regression"):
        loss = fold(model, calibration=rows, how=how).loss  # type: ignore[arg-type]
        assert loss is not None
        assert loss.kl == pytest.approx(0, abs=1e-6)
        assert loss.agreement == 1
        assert loss.kl_base > 1e-4


def test_the_divergence_is_the_one_of_the_formula(sharp: Any, rows: Batches) -> None:
    folded = fold(sharp, calibration=rows[:1], held_out=rows)
    logits: dict[str, list[Tensor]] = {"routed": [], "folded": []}
    words: list[Tensor] = []
    for batch in rows:
        mask = batch.get("attention_mask", torch.ones_like(batch["input_ids"])).bool()
        for row, real in zip(batch["input_ids"], mask, strict=True):
            one = row[real].unsqueeze(0)
            words.append(one[0, 1:])
            with torch.no_grad():
                logits["routed"].append(sharp(one).logits[0, :-1])
                with folded.standing_in():
                    logits["folded"].append(sharp(one).logits[0, :-1])
    p, q = (torch.cat(logits[name]).double().log_softmax(-1) for name in ("routed", "folded"))
    loss, right = folded.loss, torch.cat(words)
    assert loss is not None
    assert (loss.rows, loss.tokens, loss.held_out) == (5, 4 + 8 + 8 + 2 * 5, True)
    assert loss.kl == pytest.approx(float((p.exp() * (p - q)).sum(-1).mean()), rel=1e-4)
    assert loss.kl > 0
    assert loss.agreement == pytest.approx(float((p.argmax(-1) == q.argmax(-1)).double().mean()))
    assert loss.nll_routed == pytest.approx(float(-p.gather(1, right.unsqueeze(1)).mean()), rel=1e-5)
    assert loss.nll_folded == pytest.approx(float(-q.gather(1, right.unsqueeze(1)).mean()), rel=1e-5)


def test_labels_say_which_predictions_count_and_the_side_of_padding_does_not(sharp: Any) -> None:
    word = torch.randint(4, 260, (1, 6), generator=torch.Generator().manual_seed(0))
    labels = word.clone()
    labels[:, :4] = -100
    plain = {"input_ids": word, "labels": labels}
    left, right = dict(plain), dict(plain)
    for batch, pads in ((left, (3, 0)), (right, (0, 3))):
        for name, value in (("input_ids", 3), ("labels", -100)):
            batch[name] = torch.nn.functional.pad(batch[name], pads, value=value)
        batch["attention_mask"] = torch.nn.functional.pad(torch.ones_like(word), pads)
    factors = fold(sharp, gates=[1.0, 0, 0, 0]).factors
    losses = [measure(sharp, factors, [batch], held_out=True) for batch in (plain, left, right)]
    assert [loss.tokens for loss in losses] == [2, 2, 2]
    for loss in losses[1:]:
        assert dataclasses.astuple(loss)[2:8] == pytest.approx(
            dataclasses.astuple(losses[0])[2:8], rel=1e-3, abs=1e-6
        )
    left.pop("labels")
    assert measure(sharp, factors, [left], held_out=True).tokens == 5


def test_fitted_gates_diverge_less_than_mean_gates(sharp: Any, rows: Batches) -> None:
    mean, fitted = (fold(sharp, calibration=rows, how=how, steps=40) for how in ("mean", "kl"))  # type: ignore[arg-type]
    assert mean.loss is not None
    assert fitted.loss is not None
    assert fitted.loss.kl < 0.9 * mean.loss.kl
    assert not fitted.loss.held_out
    assert fitted.gates.keys() == mean.gates.keys()


def test_a_score_is_taken_routed_and_folded(sharp: Any, rows: Batches) -> None:
    def score(model: Any) -> float:
        return float(model(rows[1]["input_ids"]).logits.square().mean())

    loss = fold(sharp, calibration=rows, score=score).loss
    assert loss is not None
    with torch.no_grad():
        assert loss.score_routed == pytest.approx(score(sharp))
    assert loss.score_folded not in (None, loss.score_routed)


def test_texts_are_encoded_with_padding_masked(sharp: Any, tiny_tokenizer: Any, tmp_path: Any) -> None:
    texts = ["bonjour", "au revoir, madame", "oui"]
    batches = batches_of(texts, tiny_tokenizer, size=2)
    assert [batch["input_ids"].shape[0] for batch in batches] == [2, 1]
    assert [int(batch["attention_mask"].sum()) for batch in batches] == [7 + 17, 3]
    folded = fold(sharp, calibration=texts, held_out=["non"], tokenizer=tiny_tokenizer)
    assert calibrate(sharp, "default", batches).popitem()[1].tokens == 27
    card = (folded.save(tmp_path / "fr") / "README.md").read_text("utf-8")
    assert folded.loss is not None
    assert f"| KL(routed, folded), nats a token | {folded.loss.kl:.4f} |" in card
    assert "2 tokens of 1 rows, held out from calibration" in card
