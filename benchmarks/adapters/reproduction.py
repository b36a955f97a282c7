"""A recipe of the reproduction kit: where the rows come from, how they are told, what the paper found."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field, model_validator

from mezzofanti.continual import TrainingSettings
from mezzofanti.errors import MissingExtraError
from mezzofanti.evaluation.scorers import SCORERS
from mezzofanti.evaluation.suites import humaneval
from mezzofanti.records import Record
from mezzofanti.settings import read_yaml, validated

__all__ = ["DataSet", "Exam", "Part", "Reproduction", "hub_rows", "messages", "scorer", "stand_in_rows"]

MIXTURES = ("molora", "malora")
Worth = Callable[[dict[str, Any], str, str], float]
"""(row, right answer, given answer) -> 0 to 1."""


class DataSet(Record):
    """Rows of the hub and how one is told: `prompt` and `answer` are format strings over its columns.

    `values` gives words for columns that hold a number or a truth value. `options` names a column of the form
    {"text": [...], "label": [...]}, which becomes the lines of `{options}`. `rows` are drawn by the recipe's seed
    from the `of` there are. `example` is one row with the columns the hub's rows have.
    """

    name: str
    hub: str
    config: str | None = None
    split: str
    rows: int = Field(ge=1)
    of: int = Field(ge=1)
    prompt: str
    answer: str
    values: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    options: str = ""
    example: dict[str, Any]

    @model_validator(mode="after")
    def _told(self) -> DataSet:
        try:
            messages(self, self.example)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ValueError(f"the example of {self.name} cannot be told ({error!r})") from None
        return self


class Exam(DataSet):
    """Rows that are asked and scored. `taught_by` is the training set of that subject; empty: the one of its name."""

    scorer: Literal["label", "exact", "number", "chrf", "humaneval", "rouge-l"]
    max_new_tokens: int = Field(ge=1)
    taught_by: str = ""

    @property
    def teacher(self) -> str:
        """The training set that teaches what is asked here."""
        return self.taught_by or self.name


class Paper(Record):
    """Where the figures stand."""

    arxiv: str
    results: str
    settings: str


class Cost(Record):
    """The paper's seconds a token on all its GPUs together, and our guess of the tokens of a row."""

    gpus: int
    gpu: str
    seconds_per_token: float
    tokens_per_row: int


class Training(Record):
    """The paper's training."""

    learning_rate: float
    epochs: int
    batch_size: int
    weight_decay: float
    warmup_ratio: float
    lr_scheduler_type: Literal["linear", "cosine", "constant"]
    max_length: int

    def settings(self, steps: int) -> TrainingSettings:
        """The same, as a learner's training takes it."""
        return TrainingSettings(
            learning_rate=self.learning_rate,
            per_device_train_batch_size=self.batch_size,
            weight_decay=self.weight_decay,
            warmup_steps=round(self.warmup_ratio * steps),
            lr_scheduler_type=self.lr_scheduler_type,
            max_length=self.max_length,
            save_steps=500,
        )


class Adapter(Record):
    """One method of the paper. AsyLoRA is LoRA whose A stays as it was drawn.

    `ablation` is the mixture's own. With `alone` every training set has a model to itself.
    """

    type: Literal["lora", "dora", "asylora", "molora", "malora"]
    r: int
    lora_alpha: int
    lora_dropout: float = 0.0
    num_experts: int | None = None
    top_k: int | None = None
    shared_rank: int | None = None
    beta: float | None = None
    router_aux_loss_coef: float | None = None
    ablation: (
        Literal["fixed-S_A", "frozen-P", "no-sharing", "decompose-B", "same-A", "fixed-shared-A"] | None
    ) = None
    alone: bool = False

    @model_validator(mode="after")
    def _of_a_mixture(self) -> Adapter:
        if self.ablation and self.type not in MIXTURES:
            raise ValueError(f"ablation = {self.ablation!r} is a mixture's, and the type is {self.type}")
        return self

    def config(self, modules: tuple[str, ...]) -> Any:
        """The PEFT config on these modules."""
        from peft import get_peft_config

        import mezzofanti.adapters  # noqa: F401  (PEFT finds the mixtures once it is imported)

        given = self.model_dump(exclude={"type", "alone"}, exclude_none=True)
        kind = self.type if self.type in MIXTURES else "lora"
        more = {"use_dora": True} if self.type == "dora" else {}
        return get_peft_config({"peft_type": kind.upper(), "target_modules": list(modules), **given, **more})

    def adapt(self, model: Any, modules: tuple[str, ...], **options: Any) -> Any:
        """Put the adapter on a model."""
        from peft import get_peft_model

        adapted: Any = get_peft_model(model, self.config(modules), **options)
        if self.type == "asylora":
            for name, weight in adapted.named_parameters():
                weight.requires_grad_(weight.requires_grad and "lora_A" not in name)
        return adapted


class Part(NamedTuple):
    """What one model learns and is asked. `name` is empty where it is the whole recipe."""

    name: str
    training_sets: tuple[DataSet, ...]
    exams: tuple[Exam, ...]


class Reproduction(Record):
    """A whole recipe."""

    name: str
    paper: Paper
    base: str
    seed: int
    modules: tuple[str, ...]
    training: Training
    chat_template: str
    adapters: dict[str, Adapter]
    training_sets: tuple[DataSet, ...]
    exams: tuple[Exam, ...]
    paper_results: dict[str, dict[str, float]]
    cost: Cost

    @model_validator(mode="after")
    def _named(self) -> Reproduction:
        known = {exam.name for exam in self.exams} | {"parameters", "average"}
        for method, figures in self.paper_results.items():
            if unknown := sorted(set(figures) - known):
                raise ValueError(f"paper_results of {method} names {unknown[0]!r}, which is no exam")
        if missing := sorted(set(self.adapters) - set(self.paper_results)):
            raise ValueError(f"paper_results has no figures of {missing[0]!r}")
        return self

    @model_validator(mode="after")
    def _taught(self) -> Reproduction:
        known = {source.name for source in self.training_sets}
        if any(adapter.alone for adapter in self.adapters.values()):
            for exam in self.exams:
                if exam.teacher not in known:
                    raise ValueError(
                        f"exam {exam.name} is taught by {exam.teacher!r}, which is no training set"
                    )
        return self

    def parts(self, method: str) -> tuple[Part, ...]:
        """The models a method trains: one of all sets, or one a set that some exam asks about."""
        if not self.adapters[method].alone:
            return (Part("", self.training_sets, self.exams),)
        parts = (
            Part(source.name, (source,), tuple(exam for exam in self.exams if exam.teacher == source.name))
            for source in self.training_sets
        )
        return tuple(part for part in parts if part.exams)

    @classmethod
    def load(cls, path: Path | str) -> Reproduction:
        """Read a recipe. `ConfigurationError` names the key and what was wrong."""
        return validated(cls, read_yaml(path), str(path))


def messages(source: DataSet, row: dict[str, Any]) -> list[dict[str, str]]:
    """Tell one row: what the user asks, what is right."""
    fields = {**row, **{column: words[int(row[column])] for column, words in source.values.items()}}
    if source.options:
        listed = row[source.options]
        pairs = zip(listed["label"], listed["text"], strict=True)
        fields["options"] = "\n".join(f"{label}. {text}" for label, text in pairs)
    asked, right = source.prompt.format(**fields), source.answer.format(**fields)
    return [{"role": "user", "content": asked.strip()}, {"role": "assistant", "content": right.strip()}]


def hub_rows(source: DataSet, seed: int) -> list[dict[str, Any]]:
    """Load the set from the hub and draw `rows` of it."""
    from datasets import load_dataset

    found = load_dataset(source.hub, source.config, split=source.split).shuffle(seed=seed)
    return [dict(row) for row in found.select(range(min(source.rows, len(found))))]


def stand_in_rows(source: DataSet, count: int) -> list[dict[str, Any]]:
    """Copies of the example."""
    return [dict(source.example) for _ in range(count)]


def scorer(exam: Exam) -> Worth:
    """Return how an answer is scored; `MissingExtraError` where that takes a package that is not here."""
    if exam.scorer == "humaneval":
        return _passes
    if exam.scorer == "rouge-l":
        return _rouge()
    simple = SCORERS[exam.scorer]
    return lambda row, right, given: simple(given, right)


def _passes(row: dict[str, Any], right: str, given: str) -> float:
    fields = {name: row[name] for name in humaneval.Problem.model_fields if name != "language"}
    return float(humaneval.check(humaneval.Problem(language="en", **fields), given).passed)


def _rouge() -> Worth:
    try:
        scorers = import_module("rouge_score.rouge_scorer")
    except ImportError:
        raise MissingExtraError(
            "ROUGE-L needs the package rouge-score.", cure="pip install rouge-score"
        ) from None
    measure = scorers.RougeScorer(["rougeL"], use_stemmer=True)
    return lambda row, right, given: float(measure.score(right, given)["rougeL"].fmeasure)
