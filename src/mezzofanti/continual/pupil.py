"""The model that sits in the class: a base with one adapter, which learns and answers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

from mezzofanti.bases import Base
from mezzofanti.continual.encoding import encode, fitting, use_training_template
from mezzofanti.continual.loss import labelled_loss
from mezzofanti.continual.memory import Memory, Row
from mezzofanti.continual.methods.base import Method, Plan
from mezzofanti.continual.methods.recurrent_kif import RecurrentKIF
from mezzofanti.continual.settings import AdapterSettings, TrainingSettings
from mezzofanti.continual.training import train
from mezzofanti.evaluation.exam import Answer, beyond, examine, group_scores, score
from mezzofanti.evaluation.questions import Question
from mezzofanti.files import append_jsonl, read_jsonl, write_jsonl
from mezzofanti.records import Sample

__all__ = ["Pupil"]

logger = logging.getLogger(__name__)


class Pupil:
    """A base model with one adapter. `index` says after how many tasks its weights are (-1: not yet loaded).

    It is spoken to as `tokenizer` says where one is given, else as the base's own, its template marked for training.
    """

    def __init__(
        self,
        base: Base,
        adapter: AdapterSettings,
        training: TrainingSettings,
        *,
        seed: int,
        tokenizer: Any = None,
    ) -> None:
        self.base, self.adapter, self.training, self.seed = base, adapter, training, seed
        self.tokenizer = tokenizer or AutoTokenizer.from_pretrained(base.path)
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        if tokenizer is None:
            use_training_template(self.tokenizer)
        self.model: Any = None
        self.index = -1
        self._told: set[str] = set()

    def become(self, index: int, adapter: Path | None) -> None:
        """Load the weights after task `index`: a fresh adapter (None), or the one saved in the folder `adapter`."""
        from peft import PeftModel, get_peft_model

        model: Any = AutoModelForCausalLM.from_pretrained(self.base.path, dtype=_dtype(self.training.dtype))
        if adapter is None:
            set_seed(self.seed)
            self.model = get_peft_model(model, self.adapter.build(model))
        else:
            if self.adapter.routed:
                import mezzofanti.adapters  # noqa: F401  (PEFT finds the mixtures once it is imported)
            self.model = PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
        if torch.cuda.is_available():
            self.model.to("cuda")
        self.index = index

    def learn(
        self,
        samples: Sequence[Sample],
        memory: Sequence[Row],
        method: Method,
        *,
        work: Path,
        seed: int,
        progress: Any = None,
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Learn one task; return its record (samples, steps, ...) and the training log."""
        # -1 meanwhile: weights half-way through a task, where training is broken off, are nobody's
        before, self.index = self.index, -1
        rows, dropped = encode(samples, self.tokenizer, max_length=self.training.max_length)
        old, forgotten = encode(
            map(Sample.model_validate, memory), self.tokenizer, max_length=self.training.max_length, least=0
        )
        plan = Plan(
            steps=self.training.max_steps, batch_size=self.training.per_device_train_batch_size, seed=seed
        )
        batches = method.training_data(rows, old, plan)
        method.prepare_model(self.model, before)
        journal = work / "rounds.jsonl"
        with _seated(method, old, journal):
            log = train(
                self.model,
                self.tokenizer,
                batches,
                method,
                self.training,
                work=work,
                seed=seed,
                progress=progress,
                watchers=_watchers(self.adapter),
            )
            outer = _outer(method, self.training)
        self.index = before + 1
        record = _record(self.model, batches, outer, len(old), (dropped, forgotten), self.training)
        return record, [*log, *_rounds(journal)]

    def routing(self, groups: Mapping[str, Sequence[Sample]]) -> list[dict[str, Any]]:
        """What the routers choose for the answers in the rows of each task and language."""
        from mezzofanti.continual.routing import routing_of

        length = self.training.max_length
        return routing_of(self.model, self.tokenizer, groups, max_length=length)

    def fitting(self, samples: Sequence[Sample]) -> list[Sample]:
        """The samples that are not too long to be learned."""
        return fitting(samples, self.tokenizer, max_length=self.training.max_length)

    def examine(self, papers: dict[str, tuple[Question, ...]], progress: Any = None) -> list[Answer]:
        """Answer every question of every paper; say once which right answers are longer than an answer may be."""
        most = self.training.max_new_tokens
        for task, count in beyond(self.tokenizer, papers, most).items():
            if task not in self._told:
                logger.warning(
                    "exam of %s: %d of %d right answers are longer than max_new_tokens=%d and cannot be given whole",
                    *(task, count, len(papers[task]), most),
                )
            self._told.add(task)
        return examine(
            self.model,
            self.tokenizer,
            dict(papers),
            max_new_tokens=self.training.max_new_tokens,
            batch_size=self.training.per_device_eval_batch_size,
            progress=progress,
        )

    @staticmethod
    def scores(answers: Sequence[Answer]) -> dict[str, Any]:
        """What `scores.json` holds: the matrix's cells, how many questions each rests on, and every group's score."""
        names = list(dict.fromkeys(answer.task for answer in answers))
        counts = {name: sum(a.task == name and a.group == "derivable" for a in answers) for name in names}
        return {
            "scores": {name: score(answers, name) for name in names},
            "questions": counts,
            "groups": group_scores(answers),
        }

    def save(self, folder: Path) -> None:
        """Write the adapter as a PEFT folder, with the tokenizer it was trained with."""
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def _watchers(adapter: AdapterSettings) -> list[Any]:
    if not adapter.routed:
        return []
    from mezzofanti.adapters.telemetry import RoutingTelemetry

    return [RoutingTelemetry()]


@contextlib.contextmanager
def _seated(method: Method, old: list[dict[str, Any]], journal: Path) -> Iterator[None]:
    """Lend Recurrent-KIF the memory's encoded rows for one task; afterwards it is as it was given."""
    if not isinstance(method, RecurrentKIF):
        yield
        return
    own = {
        name: getattr(method, name) for name in ("memory", "task_name", "remembers", "on_round", "outer_loss")
    }
    method.memory = Memory(len(old))
    if old:
        method.memory.add("earlier", old)
    method.task_name = "now"
    method.remembers = False
    if journal.is_file():  # a line cut short by a crash must not be written on
        write_jsonl(journal, list(read_jsonl(journal, torn_tail=True)))

    def on_round(row: dict[str, float]) -> None:
        append_jsonl(journal, row)
        if own["on_round"] is not None:
            own["on_round"](row)

    method.on_round = on_round
    if method.outer_loss is RecurrentKIF().outer_loss:  # nobody has set another
        method.outer_loss = labelled_loss
    try:
        yield
    finally:
        for name, value in own.items():
            setattr(method, name, value)


def _outer(method: Method, training: TrainingSettings) -> tuple[int, int]:
    """How many outer steps were taken, and how many memory rows they drew."""
    if not isinstance(method, RecurrentKIF) or not method.active:
        return 0, 0
    size = min(method.outer_batch_size or training.per_device_train_batch_size, len(method.memory))
    return method.outer_steps_done, method.outer_steps_done * size


def _record(
    model: Any,
    batches: list[list[Row]],
    outer: tuple[int, int],
    memory: int,
    dropped: tuple[int, int],
    training: TrainingSettings,
) -> dict[str, Any]:
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    steps, drawn = outer
    return {
        "samples": sum(len(batch) for batch in batches) + drawn,
        "optimizer_steps": len(batches) + steps,
        "outer_steps": steps,
        "memory_rows": memory,
        "dropped_rows": dropped[0],
        "dropped_memory_rows": dropped[1],
        "learning_rate": training.learning_rate,
        "trainable_parameters": trainable,
    }


def _rounds(journal: Path) -> list[dict[str, Any]]:
    # a resumed task may have written a round twice: the last word counts
    rows = {row["step"]: row for row in read_jsonl(journal, torn_tail=True)} if journal.is_file() else {}
    return [rows[step] for step in sorted(rows)]


def _dtype(name: str) -> torch.dtype:
    """On a CPU without bfloat16 instructions float32 is the faster one."""
    if name == "auto":
        fast = torch.cuda.is_available() or torch.cpu._is_avx512_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    return torch.bfloat16 if name == "bfloat16" else torch.float32
