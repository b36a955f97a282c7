"""One task's training: a plain `transformers.Trainer` over batches whose order is decided beforehand.

The rows lie in the dataset in the order they are used and the sampler is sequential, so the order of data is part of
the task and not of a random state. A run that was killed goes on from its last whole checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from mezzofanti.continual.encoding import collator
from mezzofanti.continual.loss import labelled_loss
from mezzofanti.continual.methods.base import Method
from mezzofanti.continual.padding_free import check_rows_apart, flattening
from mezzofanti.continual.rounds import MARKER, mark_complete
from mezzofanti.continual.settings import TrainingSettings

__all__ = ["last_whole_checkpoint", "train"]

Progress = Callable[[int, int], None]


def train(
    model: Any,
    tokenizer: Any,
    batches: Sequence[Sequence[Any]],
    method: Method,
    settings: TrainingSettings,
    *,
    work: Path,
    seed: int,
    progress: Progress | None = None,
    watchers: Sequence[TrainerCallback] = (),
) -> list[dict[str, Any]]:
    """Train `model` on `batches` (lists of encoded rows, one optimizer step each); return the log.

    `work` holds the checkpoints; where it holds a whole one, training goes on from there. `watchers` may add to the
    log, and change nothing else.
    """
    rows = [dict(row) for batch in batches for row in batch]
    if settings.padding_free:
        check_rows_apart(model)
    trainer = _LessonTrainer(
        model=model,
        args=_arguments(settings, work, seed, steps=len(batches), batch_size=len(batches[0])),
        train_dataset=rows,
        data_collator=flattening() if settings.padding_free else collator(tokenizer),
        processing_class=tokenizer,
        callbacks=[*method.callbacks(), *watchers, _Marker(), *([_Progress(progress)] if progress else [])],
    )
    trainer.method = method
    trainer.remove_callback(PrinterCallback)
    checkpoint = last_whole_checkpoint(work)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return [dict(row) for row in trainer.state.log_history if "loss" in row]


def last_whole_checkpoint(work: Path) -> Path | None:
    """The newest checkpoint in `work` that was written to its end, or None."""
    whole = [path.parent for path in work.glob(f"checkpoint-*/{MARKER}")]
    return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)


def _arguments(
    settings: TrainingSettings, work: Path, seed: int, *, steps: int, batch_size: int
) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(work),
        max_steps=steps,
        per_device_train_batch_size=batch_size,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.lr_scheduler_type,
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        save_strategy="steps",
        save_steps=settings.save_steps,
        save_total_limit=2,
        logging_steps=settings.logging_steps,
        seed=seed,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        use_cpu=not torch.cuda.is_available(),
        report_to="none",
        disable_tqdm=True,
    )
    # a learner is taught by one process on one device; Trainer would spread it over all it sees
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


class _LessonTrainer(Trainer):
    """A `Trainer` with the learner's loss, and whatever the method adds to it."""

    method: Method

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The method's loss over the plain one; no outputs but the loss."""
        loss = self.method.loss(model, inputs, labelled_loss(model, inputs, num_items_in_batch))
        return (loss, {}) if return_outputs else loss


class _Marker(TrainerCallback):
    """Marks every checkpoint that was written to its end; a method that kept its own state has done so already."""

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if not (checkpoint / MARKER).is_file():
            mark_complete(checkpoint)


class _Progress(TrainerCallback):
    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.progress(state.global_step, state.max_steps)
