"""Recurrent-KIF: learn a few steps, find what matters, prune and fuse, again and again.

One round, for theta_b the adapter at its start (arXiv:2502.17510, algorithm 1; names as there):

    Q inner steps on the new task          tau_in  = theta_Q - theta_b     importance_in  along the way
    S outer steps on the memory            tau_out = theta   - theta_Q     importance_out along the way
    m_in, m_out = the entries above the pooled quantile of their importance
    theta <- theta_b + m_in * tau_in + m_out * tau_out                     (`fusion.py` has the four cases)

It is a `TrainerCallback` and needs nothing else: put it into the `callbacks` of a `Trainer` or an `SFTTrainer`; one
`train()` is one task. The first task, with nothing remembered, is plain fine-tuning. At the end of a task a share of
its rows enters the memory. The outer AdamW is its own and follows the inner rate at a fixed ratio: the reference code
steps the inner optimizer by mistake (T5) or a rate that stays zero (LLaMA).
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from mezzofanti.continual.encoding import IGNORE, encode_messages
from mezzofanti.continual.fusion import WEIGHTS, FusionWeights, fuse, important
from mezzofanti.continual.importance import Importance
from mezzofanti.continual.memory import Memory, Row
from mezzofanti.continual.methods.base import Method
from mezzofanti.continual.methods.checks import number, whole_number
from mezzofanti.continual.methods.limits import refuse_unsupported, warn_of_no_round
from mezzofanti.continual.rounds import load_rounds, save_rounds
from mezzofanti.errors import ConfigurationError, nearest
from mezzofanti.settings import validated

__all__ = ["RecurrentKIF"]

NUMBERS = (
    "inner_steps",
    "outer_steps",
    "outer_learning_rate_ratio",
    "outer_batch_size",
    "mean_decay",
    "spread_decay",
    "quantile",
)


class RecurrentKIF(Method, TrainerCallback):
    """Recurrent knowledge identification and fusion. Seams used: `callbacks`, and it is the callback itself.

    Args:
        memory: what is remembered of earlier tasks; a new, empty one by default.
        inner_steps: Q, optimizer steps on the new task a round.
        outer_steps: S, optimizer steps on the memory a round.
        outer_learning_rate_ratio: the outer rate over the inner rate of the moment.
        outer_batch_size: memory rows an outer step; the trainer's batch size by default.
        mean_decay, spread_decay: weight of the old value in the two averages of importance (`importance.py`).
        quantile: share of entries *not* kept by a mask.
        fusion: "paper", "reference", or a `FusionWeights` (or what it holds, as a mapping).
        task_name: what the memory calls the task of the next `train()`; "task-N" where it is None. A name learned
            before is replaced: the same script run again does not meet its own memory as that of an earlier task.

    Attributes to read: `outer_steps_done`, of the last task; 0 after the first one.

    Attributes to set before `train()`:
        task_name: as above; another one for every task where the callback is used for several.
        remembers: whether the task's rows enter the memory at its end; a `Learner` sees to that itself.
        on_round: called after each round with `step`, `outer_loss` and the shares of entries `new_only`,
            `old_only`, `shared`, `neither`.
        outer_loss: (model, batch) -> scalar loss of an outer step; the model's own by default.

    Raises `ConfigurationError` for settings out of range, and at the start of training where several processes, fp16
    or DeepSpeed would make its reading of gradients wrong.
    """

    name = "recurrent-kif"
    uses_memory = True

    def __init__(
        self,
        memory: Memory | None = None,
        *,
        inner_steps: int = 8,
        outer_steps: int = 4,
        outer_learning_rate_ratio: float = 0.25,
        outer_batch_size: int | None = None,
        mean_decay: float = 0.85,
        spread_decay: float = 0.85,
        quantile: float = 0.8,
        fusion: str | FusionWeights | dict[str, Any] = "paper",
        task_name: str | None = None,
    ) -> None:
        whole_number(self.name, "inner_steps", inner_steps)
        whole_number(self.name, "outer_steps", outer_steps)
        number(self.name, "outer_learning_rate_ratio", outer_learning_rate_ratio, least=0, most=100)
        if outer_batch_size is not None:
            whole_number(self.name, "outer_batch_size", outer_batch_size)
        for name, value in (
            ("mean_decay", mean_decay),
            ("spread_decay", spread_decay),
            ("quantile", quantile),
        ):
            number(self.name, name, value, least=0, below=1)
        self.memory = Memory() if memory is None else memory
        self.inner_steps = inner_steps
        self.outer_steps = outer_steps
        self.outer_learning_rate_ratio = outer_learning_rate_ratio
        self.outer_batch_size = outer_batch_size
        self.mean_decay = mean_decay
        self.spread_decay = spread_decay
        self.quantile = quantile
        self.fusion = _fusion(fusion)
        self.task_name = task_name
        self.remembers = True
        self.on_round: Callable[[dict[str, float]], None] | None = None
        self.outer_loss: Callable[[Any, dict[str, Tensor]], Tensor] = _plain_loss
        self.active = False
        self.outer_steps_done = 0

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting but the memory, which is the learner's."""
        fusion = self.fusion if isinstance(self.fusion, str) else self.fusion.model_dump(mode="json")
        return {"type": self.name, **{name: getattr(self, name) for name in NUMBERS}, "fusion": fusion}

    def callbacks(self) -> list[Any]:
        """Itself."""
        return [self]

    # ---- the trainer's events -------------------------------------------------------------------------------

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin a task: clone theta_b, make the outer optimizer; or take up a checkpoint's state."""
        refuse_unsupported(args)
        model, loader = kwargs["model"], kwargs["train_dataloader"]
        masked = any(label == IGNORE for label in _labels(loader.dataset))
        rows = self.memory.rows(before=self.task_name)
        self._outer_rows = [_encoded(row, kwargs["processing_class"], masked) for row in rows]
        self.active = bool(self._outer_rows)
        self.outer_steps_done = 0
        if not self.active:
            return
        warn_of_no_round(state.max_steps, self.inner_steps)
        self._collate = loader.collate_fn
        self._model = model
        self._parameters: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
        self._start = [p.detach().clone() for p in self._parameters]
        self._inner, self._outer = self._new_importance(), self._new_importance()
        self._outer_optimizer = torch.optim.AdamW(self._parameters, lr=args.learning_rate, weight_decay=0.0)
        if state.global_step:
            load_rounds(self, Path(args.output_dir) / f"checkpoint-{state.global_step}")

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Read importance: theta after the step, the clipped gradient before it."""
        if not self.active:
            return
        # here, not when the round closes: by then the schedule has ticked, at a task's last step to zero
        self._inner_rate = kwargs["optimizer"].param_groups[0]["lr"]
        if not getattr(kwargs["optimizer"], "step_was_skipped", False):
            self._inner.update(self._parameters)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Close a round after every Q-th inner step; the last steps that fill no round stay unfused."""
        if self.active and state.global_step % self.inner_steps == 0:
            self._close_round(args, state.global_step, self._inner_rate * self.outer_learning_rate_ratio)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Put the round's tensors into the checkpoint, a marker last."""
        save_rounds(self, Path(args.output_dir) / f"checkpoint-{state.global_step}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """End the task: remember a share of its rows, and let go of the round's tensors."""
        if self.remembers:
            dataset = kwargs["train_dataloader"].dataset
            rows = [
                {"input_ids": list(r["input_ids"]), "labels": list(r.get("labels", r["input_ids"]))}
                for r in dataset
            ]
            self.memory.add(self.task_name or f"task-{len(self.memory.tasks) + 1}", rows, seed=args.seed)
        if self.active:
            del self._model, self._parameters, self._start, self._inner, self._outer, self._outer_optimizer

    # ---- one round -------------------------------------------------------------------------------------------

    def _close_round(self, args: Any, step: int, outer_rate: float) -> None:
        after_inner = [p.detach().clone() for p in self._parameters]
        for group in self._outer_optimizer.param_groups:
            group["lr"] = outer_rate
        losses = [self._outer_step(args, step, index) for index in range(self.outer_steps)]
        shares = self._fuse(after_inner)
        self._start = [p.detach().clone() for p in self._parameters]
        self._inner.reset()
        if self.on_round is not None:
            self.on_round({"step": step, "outer_loss": sum(losses) / len(losses), **shares})

    def _outer_step(self, args: Any, step: int, index: int) -> float:
        batch = self._outer_batch(args, step, index)
        self._model.zero_grad()
        with _autocast(args):
            loss = self.outer_loss(self._model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        if args.max_grad_norm:
            torch.nn.utils.clip_grad_norm_(self._parameters, args.max_grad_norm)
        self._outer_optimizer.step()
        self._outer.update(self._parameters)
        self._model.zero_grad()
        self.outer_steps_done += 1
        return float(loss.detach())

    def _outer_batch(self, args: Any, step: int, index: int) -> dict[str, Tensor]:
        # seeded by place, not by a running generator: a resumed task draws the same rows
        generator = random.Random(f"{args.seed}-{len(self.memory.tasks)}-{step}-{index}")
        size = min(self.outer_batch_size or args.train_batch_size, len(self._outer_rows))
        batch = self._collate(generator.sample(self._outer_rows, size))
        device = self._parameters[0].device
        return {name: tensor.to(device) for name, tensor in batch.items()}

    @torch.no_grad()
    def _fuse(self, after_inner: list[Tensor]) -> dict[str, float]:
        in_masks = important(self._inner.scores(), self.quantile)
        out_masks = important(self._outer.scores(), self.quantile)
        weights = WEIGHTS[self.fusion] if isinstance(self.fusion, str) else self.fusion
        for p, start, after, in_mask, out_mask in zip(
            self._parameters, self._start, after_inner, in_masks, out_masks, strict=True
        ):
            p.copy_(fuse(start, after - start, p - after, in_mask, out_mask, weights))
        return _shares(in_masks, out_masks)

    def _new_importance(self) -> Importance:
        return Importance(self._parameters, mean_decay=self.mean_decay, spread_decay=self.spread_decay)


def _fusion(fusion: str | FusionWeights | dict[str, Any]) -> str | FusionWeights:
    if isinstance(fusion, FusionWeights):
        return fusion
    if isinstance(fusion, dict):
        return validated(FusionWeights, fusion, "recurrent-kif: fusion")
    if fusion not in WEIGHTS:
        raise ConfigurationError(
            f"recurrent-kif: there is no fusion {fusion!r}.", cure=nearest(str(fusion), WEIGHTS)
        )
    return fusion


def _shares(in_masks: list[Tensor], out_masks: list[Tensor]) -> dict[str, float]:
    total = sum(mask.numel() for mask in in_masks)
    both = sum(int((a & b).sum()) for a, b in zip(in_masks, out_masks, strict=True)) / total
    inner = sum(int(mask.sum()) for mask in in_masks) / total
    outer = sum(int(mask.sum()) for mask in out_masks) / total
    return {
        "new_only": inner - both,
        "old_only": outer - both,
        "shared": both,
        "neither": 1 - inner - outer + both,
    }


def _plain_loss(model: Any, batch: dict[str, Tensor]) -> Tensor:
    loss: Tensor = model(**batch).loss
    return loss


def _autocast(args: Any) -> Any:
    return torch.autocast(args.device.type, dtype=torch.bfloat16) if args.bf16 else contextlib.nullcontext()


def _labels(dataset: Any) -> list[int]:
    return list(dataset[0].get("labels", ()))


def _encoded(row: Row, tokenizer: Any, masked: bool) -> dict[str, Any]:
    if "input_ids" in row:
        return {"input_ids": list(row["input_ids"]), "labels": list(row["labels"])}
    encoded = encode_messages(
        [{"role": m["role"], "content": m["content"]} for m in row["messages"]], tokenizer
    )
    return encoded if masked else {"input_ids": encoded["input_ids"], "labels": list(encoded["input_ids"])}
