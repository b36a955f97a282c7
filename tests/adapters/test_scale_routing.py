"""The routers' terms beside a loss that the trainer divides or multiplies: accumulated batches, float16."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from peft import get_peft_model
from torch import Tensor
from torch.utils.data import IterableDataset
from transformers import Trainer, TrainerCallback, TrainerState, TrainingArguments

from mezzofanti.adapters import MaloraConfig, ScaleRouting
from mezzofanti.errors import ConfigurationError


class _Heard(ScaleRouting):
    """Keeps the scale of every step."""

    def __init__(self) -> None:
        self.scales: list[float] = []

    def on_step_begin(self, *positional: Any, **named: Any) -> None:
        super().on_step_begin(*positional, **named)
        self.scales += [context.scale for context in self._contexts]


class _Stream(IterableDataset):  # type: ignore[type-arg]
    """Rows that nobody has counted."""

    def __init__(self, rows: list[dict[str, list[int]]]) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[dict[str, list[int]]]:
        return iter(self.rows)


def _rows(count: int) -> list[dict[str, list[int]]]:
    rows = [[4 + (7 * n + 3 * m) % 50 for m in range(8)] for n in range(count)]
    return [{"input_ids": row, "labels": row} for row in rows]


def _mixture(model: Any, small: dict[str, Any], **more: Any) -> Any:
    settings = {**small, "router_aux_loss_coef": 0.0, "router_z_loss_coef": 5.0, **more}
    torch.manual_seed(1)
    return get_peft_model(model, MaloraConfig(**settings, init_malora_weights=False))


def _trainer(model: Any, folder: Path, rows: Any, accumulated: int, callbacks: Any, **more: Any) -> Trainer:
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=4 // accumulated,
        gradient_accumulation_steps=accumulated,
        learning_rate=0.1,
        optim="sgd",
        lr_scheduler_type="constant",
        max_grad_norm=0.0,
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        **{"num_train_epochs": 1, "save_strategy": "no", **more},
    )
    return Trainer(model=model, args=arguments, train_dataset=rows, callbacks=callbacks)


def _routers(model: Any) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if "router" in name}


@pytest.mark.parametrize(("rows", "scales"), [(4, [1 / 4]), (6, [1 / 4, 1 / 2]), (5, [1 / 4, 1.0])])
def test_accumulated_batches_weigh_the_routers_terms_once(
    tiny_model: Any, small: dict[str, Any], tmp_path: Path, rows: int, scales: list[float]
) -> None:
    """Batches of one row accumulated are one batch of so many rows, also in the last step, which has fewer."""
    ends = []
    for accumulated in (1, 4):
        model, heard = _mixture(copy.deepcopy(tiny_model), small), _Heard()
        before = _routers(model)
        _trainer(model, tmp_path, _rows(rows), accumulated, [heard]).train()
        assert heard.scales == (scales if accumulated == 4 else [1.0] * len(scales))
        assert model.base_model.routing_context.scale == 1.0
        ends.append(_routers(model))
        assert all((ends[-1][name] - weight).norm() > 1e-3 for name, weight in before.items())
    for name, weight in ends[0].items():
        torch.testing.assert_close(ends[1][name], weight, rtol=1e-4, atol=1e-6)


def test_resumed_within_an_epoch_the_short_step_is_known(
    tiny_model: Any, small: dict[str, Any], tmp_path: Path
) -> None:
    saving = {"save_strategy": "steps", "save_steps": 1, "num_train_epochs": 2}
    straight = _Heard()
    _trainer(_mixture(copy.deepcopy(tiny_model), small), tmp_path, _rows(6), 4, [straight], **saving).train()
    assert straight.scales == [1 / 4, 1 / 2] * 2
    resumed = _Heard()
    trainer = _trainer(_mixture(tiny_model, small), tmp_path / "again", _rows(6), 4, [resumed], **saving)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-1"))
    assert resumed.scales == [1 / 2, 1 / 4, 1 / 2]


class _Interrupted(TrainerCallback):
    """The user's Ctrl-C, after the first step or in it, between its batches."""

    def __init__(self, event: str) -> None:
        setattr(self, event, self._stop)

    def _stop(self, *positional: Any, **named: Any) -> None:
        raise KeyboardInterrupt


def _interrupt(model: Any, folder: Path, event: str) -> None:
    callbacks = [ScaleRouting(), _Interrupted(event)]
    with pytest.raises(KeyboardInterrupt):
        _trainer(model, folder, _rows(8), 4, callbacks).train()


def test_a_training_interrupted_between_steps_leaves_no_scale(
    tiny_model: Any, small: dict[str, Any], tmp_path: Path
) -> None:
    model = _mixture(tiny_model, small)
    _interrupt(model, tmp_path, "on_step_end")
    assert model.base_model.routing_context.scale == 1.0


def test_the_next_training_forgets_the_scale_of_an_interrupted_step(
    tiny_model: Any, small: dict[str, Any], tmp_path: Path
) -> None:
    model = _mixture(tiny_model, small)
    _interrupt(model, tmp_path, "on_substep_end")
    assert model.base_model.routing_context.scale == 1 / 4
    ScaleRouting().on_train_begin(None, None, None, model=model)
    assert model.base_model.routing_context.scale == 1.0


def test_a_stream_is_divided_by_the_full_number(
    tiny_model: Any, small: dict[str, Any], tmp_path: Path
) -> None:
    heard = _Heard()
    _trainer(_mixture(tiny_model, small), tmp_path, _Stream(_rows(8)), 4, [heard], max_steps=2).train()
    assert heard.scales == [1 / 4, 1 / 4]


def test_accumulation_that_nobody_told_is_warned_of_once(
    tiny_model: Any, small: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match=r"RoutingContext\.scale = 1\.0.*ScaleRouting") as caught:
        _trainer(_mixture(copy.deepcopy(tiny_model), small), tmp_path, _rows(8), 4, []).train()
    assert len([one for one in caught if "ScaleRouting" in str(one.message)]) == 1
    # from here on a warning is an error again: nothing to divide, or nothing to divide by
    idle = _mixture(copy.deepcopy(tiny_model), small, router_z_loss_coef=0.0)
    _trainer(idle, tmp_path, _rows(8), 4, []).train()
    _trainer(_mixture(tiny_model, small), tmp_path, _rows(8), 1, []).train()


def test_a_loop_with_accelerate_is_warned_too(tiny_model: Any, small: dict[str, Any], tokens: Tensor) -> None:
    model = _mixture(tiny_model, small).train()
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    with (
        pytest.warns(UserWarning, match="set the scale in a loop of your own"),
        accelerator.accumulate(model),
    ):
        model(tokens)
    with accelerator.accumulate(model):
        model(tokens)
    assert accelerator.sync_gradients


def test_the_scaler_of_float16_is_followed(tiny_model: Any, small: dict[str, Any], tokens: Tensor) -> None:
    """A step with a real scaler: unscaled, the routers' gradients are those of a step without one."""
    step: dict[str, Any] = {"args": TrainingArguments(use_cpu=True), "state": TrainerState(), "control": None}
    Accelerator(cpu=True)  # its optimizer, which a Trainer uses, asks for the state that this leaves
    ends = []
    for scaler in (None, torch.amp.GradScaler("cpu", init_scale=1024.0)):
        model, callback = _mixture(copy.deepcopy(tiny_model), small).train(), ScaleRouting()
        plain = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
        optimizer = AcceleratedOptimizer(plain, device_placement=False, scaler=scaler)
        callback.on_train_begin(**step, model=model)
        callback.on_step_begin(**step, optimizer=optimizer)
        with torch.autocast("cpu", torch.float16):
            loss = model(input_ids=tokens, labels=tokens).loss
        if scaler is None:
            loss.backward()
        else:
            scaler.scale(loss).backward()
            assert model.base_model.routing_context.scale == 1024.0
            scaler.unscale_(plain)
        optimizer.step()
        ends.append(model)
    gradients = [{n: w.grad for n, w in model.named_parameters() if "router" in n} for model in ends]
    assert all(gradient.norm() > 0.01 for gradient in gradients[0].values())
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=0.02, atol=1e-4)
        torch.testing.assert_close(_routers(ends[1])[name], _routers(ends[0])[name], rtol=1e-3, atol=1e-4)


def test_a_model_without_a_router_is_refused(tiny_model: Any) -> None:
    with pytest.raises(ConfigurationError, match="no router"):
        ScaleRouting().on_train_begin(None, None, None, model=tiny_model)
