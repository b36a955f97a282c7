"""Where a fold comes from: a learner's folder, or the folder of a routed PEFT adapter."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mezzofanti.bases import Base, resolve
from mezzofanti.continual.serving.speech import mark_assistant, spoken
from mezzofanti.continual.settings import AdapterSettings, TrainingSettings
from mezzofanti.continual.state import LearnerFolder
from mezzofanti.errors import ConfigurationError, DataError, StateError
from mezzofanti.evaluation.questions import Question
from mezzofanti.files import read_json, read_jsonl
from mezzofanti.records import Sample

if TYPE_CHECKING:
    from mezzofanti.continual.pupil import Pupil

__all__ = ["Source", "open_source"]

MIXTURES = ("MALORA", "MOLORA")


@dataclass(frozen=True)
class Source:
    """A routed adapter and its base; of a learner also what it remembers and was asked, with the task's name."""

    path: Path
    adapter: Path
    base: Base
    training: TrainingSettings
    memory: list[tuple[str, Sample]] = field(default_factory=list)
    asked: list[tuple[str, Question]] = field(default_factory=list)

    @property
    def mark(self) -> str:
        """The same for the same weights, spoken to alike."""
        parts = []
        for name in ("adapter_model.safetensors", "tokenizer_config.json", "chat_template.jinja"):
            if (self.adapter / name).is_file():
                with (self.adapter / name).open("rb") as stream:
                    parts.append(hashlib.file_digest(stream, "sha256").hexdigest())
        return " ".join(parts)

    def questions(self, by: str, name: str) -> dict[str, tuple[Question, ...]]:
        """The exam of one language or task: its derivable questions, by task. Skills have none."""
        if by == "skill":
            return {}
        found: dict[str, tuple[Question, ...]] = {}
        for task, question in self.asked:
            if name == (task if by == "task" else question.language) and question.group == "derivable":
                found[task] = (*found.get(task, ()), question)
        return found

    def pupil(self) -> Pupil:
        """The base with the adapter, loaded."""
        from transformers import AutoTokenizer

        from mezzofanti.continual.pupil import Pupil

        own = (self.adapter / "tokenizer_config.json").is_file()
        tokenizer = AutoTokenizer.from_pretrained(self.adapter if own else self.base.path)
        mark_assistant(tokenizer)
        pupil = Pupil(self.base, AdapterSettings(type="malora"), self.training, seed=0, tokenizer=tokenizer)
        pupil.become(1, self.adapter)
        return pupil

    def new_chat_template(self, pupil: Pupil) -> str:
        """The chat template a server must be told, empty where the base's own says the same."""
        from transformers import AutoTokenizer

        own = AutoTokenizer.from_pretrained(self.base.path)
        return "" if spoken(own) == spoken(pupil.tokenizer) else str(pupil.tokenizer.chat_template)


def open_source(path: Path) -> Source:
    """Read what is in `path`. Raises `ConfigurationError` or `DataError` where that cannot be folded."""
    if LearnerFolder(path).exists:
        return _of_learner(path)
    if (path / "adapter_config.json").is_file():
        return _of_adapter(path)
    raise DataError(
        f"fold: {path} is no learner's folder and no adapter's.",
        cure="Name a folder with a learner.yaml or an adapter_config.json.",
    )


def _of_learner(path: Path) -> Source:
    from mezzofanti.continual.learner import Learner

    learner = Learner.open(path)
    if not learner.learned:
        raise StateError(
            f"The learner in {path} has learned nothing yet.", cure="Teach it: mezzo learn RECIPE"
        )
    folders = learner.folder.task_folders()
    adapter = folders[-1] / "adapter"
    _check_mixture(adapter)
    memory = [
        (task, Sample.model_validate(row))
        for file in sorted((path / "memory").glob("*.jsonl"))
        for task, row in ((file.stem.split("-", 1)[1], row) for row in read_jsonl(file))
    ]
    asked = [
        (name, Question.model_validate(row))
        for name, folder in zip(learner.learned, folders[-len(learner.learned) :], strict=True)
        for row in read_jsonl(folder / "questions.jsonl")
    ]
    return Source(path, adapter, learner.base, learner.training, memory, asked)


def _of_adapter(path: Path) -> Source:
    config = _check_mixture(path)
    base = config.get("base_model_name_or_path")
    if not base:
        raise DataError(
            f"{path / 'adapter_config.json'} names no base model.", cure="Add base_model_name_or_path."
        )
    return Source(path, path, resolve(base), TrainingSettings(max_length=1024))


def _check_mixture(adapter: Path) -> dict[str, str]:
    config: dict[str, str] = read_json(adapter / "adapter_config.json")
    kind = config.get("peft_type", "")
    if kind not in MIXTURES:
        raise ConfigurationError(
            f"fold: {adapter} holds a {kind or 'nameless'} adapter, not a mixture of experts.",
            cure="It needs no folding: serve it as it is." if kind == "LORA" else "Known: MALORA, MOLORA.",
        )
    return config
