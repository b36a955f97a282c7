"""A school for tiny models: tasks that a random Llama learns in a few steps, and learners of them.

A task is one word that answers every question of a kind: enough to be learned, and to be forgotten.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tiny import build_tiny_base

from mezzofanti.continual import AdapterSettings, Learner, LearnerFolder, Task, TaskStream, TrainingSettings
from mezzofanti.continual.methods import create
from mezzofanti.demo import DemoPlan
from mezzofanti.demo import run as run_demo
from mezzofanti.evaluation.questions import Question
from mezzofanti.records import Lineage, Message, Sample

ANSWERS = {"one": "a", "two": "b", "three": "c", "four": "d"}
TRAINING = TrainingSettings(
    learning_rate=2e-2,
    max_steps=12,
    per_device_train_batch_size=4,
    warmup_steps=1,
    save_steps=5,  # not a whole number of rounds: a checkpoint holds half of one
    logging_steps=5,
    max_length=64,
    dtype="float32",
    max_new_tokens=8,
    per_device_eval_batch_size=4,
)
ADAPTER = AdapterSettings(r=8, lora_alpha=32)
MALORA = AdapterSettings(type="malora", r=4, lora_alpha=16, num_experts=2, top_k=1, shared_rank=8)


def school_base(folder: Path) -> Path:
    """A tiny base that can be sure of an answer: the words of a fresh one are too short to tell apart."""
    from safetensors.torch import load_file, save_file

    weights = build_tiny_base(folder) / "model.safetensors"
    tensors = load_file(weights)
    tensors["model.embed_tokens.weight"] *= 10
    save_file(tensors, weights, metadata={"format": "pt"})
    return folder


def sample(number: int, name: str, answer: str) -> Sample:
    """One training row."""
    said = (Message(role="user", content=f"{name} {number}?"), Message(role="assistant", content=answer))
    lineage = Lineage(source="tests", template=True)
    return Sample(
        id=f"{name}-{number}", language="en", skill=f"skill-{number % 2}", messages=said, lineage=lineage
    )


def task(name: str, *, rows: int = 24, questions: int = 6, answer: str | None = None) -> Task:
    """A task of that name: `rows` rows to learn from, `questions` with other numbers."""
    word = answer or ANSWERS[name]
    train = tuple(sample(number, name, word) for number in range(rows))
    test = tuple(
        Question(id=f"{name}-q{number}", prompt=f"{name} {number}?", reference=word)
        for number in range(100, 100 + questions)
    )
    return Task(name=name, train=train, test=test)


def stream(*names: str) -> TaskStream:
    """A stream of such tasks; three where none is named."""
    return TaskStream([task(name) for name in names or ("one", "two", "three")])


def learner(folder: Path, base: Path, method: str = "recurrent-kif", **more: Any) -> Learner:
    """A learner of six remembered rows a task, by the method called so with rounds of four and two steps."""
    rounds = {"inner_steps": 4, "outer_steps": 2} if method == "recurrent-kif" else {}
    settings = {
        "method": create({"type": method, **rounds}),
        "adapter": ADAPTER,
        "training": TRAINING,
        "memory_rows": 6,
        "seed": 5,
    }
    return Learner.open(folder, base=base, **{**settings, **more})


# ---- learners that are killed: each runs in a process of its own --------------------------------------------------


def learn_until(
    folder: Path, base: Path, moment: str | None = None, method: str = "recurrent-kif", adapter: str = "lora"
) -> None:
    """Learn the stream in `folder`; this process dies as by `kill -9` at a `moment` of task two (None: it lives).

    "step N": after N steps. "writing": half-way in a file of the second checkpoint. "unmarked": that checkpoint is
    written but for its marker. "saving": trained, before the adapter is saved. "exam": half-way in the exam.
    "finished": the task's folder is in place, and nothing derived from it.
    """
    import torch

    torch.set_num_threads(1)
    opened = learner(folder, base, method, adapter={"lora": ADAPTER, "malora": MALORA}[adapter])
    opened.progress = _Watch(moment)
    if moment in TRAPS:
        TRAPS[moment](opened.folder)
    opened.learn_stream(stream())


def demo_plan(base: Path) -> DemoPlan:
    """The demo on a tiny base: everything it does, with a handful of rows and three steps a language."""
    steps = {"max_steps": 3, "save_steps": 1, "per_device_train_batch_size": 2, "max_new_tokens": 6}
    return DemoPlan(
        base=str(base),
        train_rows=8,
        questions=2,
        unseen_phrasings=1,
        memory_rows=4,
        adapter=ADAPTER,
        training=TRAINING.model_copy(update={**steps, "max_length": 512, "logging_steps": 1}),
    )


def demo_until(folder: Path, base: Path, moment: str | None = None) -> None:
    """Run the demo in `folder`; this process dies after the first step of what `moment` names (None: it lives)."""
    import torch

    torch.set_num_threads(1)

    def watch(what: str, done: int, total: int) -> None:
        if moment is not None and moment in what and done == 1:
            die()

    run_demo(folder, demo_plan(base), say=lambda line: None, progress=watch)


def die() -> None:
    """End this process at once: nothing is flushed, no `finally` runs."""
    os.kill(os.getpid(), signal.SIGKILL)


class _Watch:
    """Progress that ends the process at a step of task two's training, or in its exam."""

    def __init__(self, moment: str | None) -> None:
        self.moment = moment

    def __call__(self, what: str, done: int, total: int) -> None:
        if "learns two" in what and self.moment == f"step {done}":
            die()
        if "exam after two" in what and self.moment == "exam" and done < total:
            die()


def _writing(folder: LearnerFolder) -> None:
    import torch

    whole, second = torch.save, folder.work_of(2) / "checkpoint-10"

    def half(thing: Any, file: Any, *arguments: Any, **more: Any) -> None:
        if Path(str(file)).parent == second:
            Path(file).write_bytes(b"half")
            die()
        whole(thing, file, *arguments, **more)

    torch.save = half


def _unmarked(folder: LearnerFolder) -> None:
    from mezzofanti.continual import rounds, training

    whole, second = rounds.mark_complete, folder.work_of(2) / "checkpoint-10"

    def mark(checkpoint: Path, **state: int) -> None:
        if checkpoint == second:
            die()
        whole(checkpoint, **state)

    rounds.mark_complete = training.mark_complete = mark  # type: ignore[attr-defined]


def _saving(folder: LearnerFolder) -> None:
    from mezzofanti.continual.pupil import Pupil

    whole = Pupil.save

    def save(self: Pupil, target: Path) -> None:
        if target.is_relative_to(folder.work_of(2)):
            die()
        whole(self, target)

    Pupil.save = save  # type: ignore[method-assign]


def _finished(folder: LearnerFolder) -> None:
    whole = LearnerFolder.tidy

    def tidy(self: LearnerFolder, tasks: Sequence[str]) -> None:
        if self.learned() == ["one", "two"]:
            die()
        whole(self, tasks)

    LearnerFolder.tidy = tidy  # type: ignore[method-assign]


TRAPS = {"writing": _writing, "unmarked": _unmarked, "saving": _saving, "finished": _finished}
