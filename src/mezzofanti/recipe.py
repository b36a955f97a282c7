"""The recipe of a learner: a base, a method, an adapter, and tasks in order. It only composes what the rooms own.

base: smollm2-135m
method: {type: recurrent-kif}
tasks:
  - {source: almanac, language: en}
  - {source: jsonl, name: support, train: data/support.jsonl, questions: 50}
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from mezzofanti.bases import BASES
from mezzofanti.continual.settings import AdapterSettings, TrainingSettings
from mezzofanti.continual.stream import Task, TaskStream
from mezzofanti.errors import DataError
from mezzofanti.evaluation.questions import Question
from mezzofanti.evaluation.scorers import SCORERS
from mezzofanti.evaluation.suites import almanac, long_sequence, wikipedia_leads
from mezzofanti.records import Record, Sample, read_samples
from mezzofanti.settings import read_yaml, validated

__all__ = ["LearnerRecipe"]

logger = logging.getLogger(__name__)

Loaded = tuple[list[Sample], list[Question]]
SKILLS = ("cardinal", "date")


class AlmanacTask(Record):
    """A language of the almanac."""

    source: Literal["almanac"]
    language: str
    name: str = ""
    skills: tuple[str, ...] = SKILLS
    train_rows: int = Field(640, ge=1)
    questions: int = Field(120, ge=1)
    unseen_phrasings: int = Field(0, ge=0)
    recall: int = Field(0, ge=0)

    @property
    def title(self) -> str:
        """What the task is called."""
        return self.name or almanac.LANGUAGE_NAMES.get(self.language, self.language)

    def load(self, folder: Path, seed: int) -> Loaded:
        """Lessons and exam."""
        return almanac.load_task(
            self.language,
            skills=self.skills,
            train_rows=self.train_rows,
            questions=self.questions,
            unseen_phrasings=self.unseen_phrasings,
            recall=self.recall,
            seed=seed,
        )


class LongSequenceTask(Record):
    """One of the fifteen tasks of the Long Sequence benchmark."""

    source: Literal["long-sequence"]
    task: str
    folder: str
    name: str = ""
    train_rows: int = Field(600, ge=1)
    questions: int = Field(120, ge=1)
    max_characters: int | None = Field(600, ge=40)

    @property
    def title(self) -> str:
        """What the task is called."""
        return self.name or self.task

    def load(self, folder: Path, seed: int) -> Loaded:
        """Train and test rows of the benchmark."""
        return long_sequence.load_task(
            folder / self.folder,
            self.task,
            train_rows=self.train_rows,
            test_rows=self.questions,
            seed=seed,
            max_characters=self.max_characters,
        )


class WikipediaLeadsTask(Record):
    """Which topic is this article about? Real Wikipedia leads of one language."""

    source: Literal["wikipedia-leads"]
    language: str
    folder: str
    name: str = ""
    train_rows: int = Field(600, ge=1)
    questions: int = Field(120, ge=1)
    max_characters: int | None = Field(400, ge=40)

    @property
    def title(self) -> str:
        """What the task is called."""
        return self.name or f"topics-{self.language}"

    def load(self, folder: Path, seed: int) -> Loaded:
        """Train and test articles."""
        return wikipedia_leads.load_task(
            folder / self.folder,
            self.language,
            train_rows=self.train_rows,
            test_rows=self.questions,
            seed=seed,
            max_characters=self.max_characters,
        )


class FileTask(Record):
    """Your own rows: JSONL or Parquet with `messages`.

    Without `test`, `questions` rows drawn by the seed are kept from training and asked as the exam: the first user
    turn is the question, asked after the row's system turn if it has one; the first answer is what is right. A row
    that asks what the exam asks is not trained on.
    """

    source: Literal["jsonl"]
    name: str = Field(min_length=1)
    train: str
    test: str = ""
    questions: int = Field(50, ge=1)
    scorer: Literal["exact", "label", "number", "chrf"] = "exact"

    @property
    def title(self) -> str:
        """What the task is called."""
        return self.name

    def load(self, folder: Path, seed: int) -> Loaded:
        """The file's rows, and the exam."""
        rows = read_samples(folder / self.train)
        if not rows:
            raise DataError(f"{folder / self.train} has no rows.", cure="Give it at least two.")
        if self.test:
            asked = read_samples(folder / self.test)
        elif len(rows) <= self.questions:
            raise DataError(
                f"{folder / self.train} has {len(rows)} rows, {self.questions} are wanted for the exam alone.",
                cure="Set 'questions' lower, or name a 'test' file.",
            )
        else:
            random.Random(seed).shuffle(rows)
            asked, rows = rows[: self.questions], rows[self.questions :]
        questions = [self._question(row) for row in asked]
        return self._unasked(rows, questions), questions

    def _question(self, row: Sample) -> Question:
        system, asked = _said_first(row, "system"), _said_first(row, "user")
        right = _said_first(row, "assistant")
        if asked is None or right is None:
            raise DataError(f"Row {row.id} has no user and assistant turn.", cure="Give it both.")
        # a scorer that cannot take this answer says so here, and not after the training
        SCORERS[self.scorer](right, right)
        return Question(
            id=row.id,
            prompt=asked,
            system=system or "",
            reference=right,
            scorer=self.scorer,
            language=row.language,
        )

    def _unasked(self, rows: Sequence[Sample], questions: Sequence[Question]) -> list[Sample]:
        examined = {(_folded(question.system), _folded(question.prompt)) for question in questions}
        kept = [
            row
            for row in rows
            if (_folded(_said_first(row, "system")), _folded(_said_first(row, "user"))) not in examined
        ]
        if not kept:
            raise DataError(
                f"Every training row of task {self.name!r} asks a question of its exam.",
                cure="Give it rows that ask something else.",
            )
        if len(kept) < len(rows):
            logger.warning(
                "task %s: %d of %d training rows ask a question of the exam and are left out",
                self.name,
                len(rows) - len(kept),
                len(rows),
            )
        return kept


def _said_first(row: Sample, role: str) -> str | None:
    return next((message.content for message in row.messages if message.role == role), None)


def _folded(text: str | None) -> str:
    return " ".join((text or "").split())


TaskSettings = Annotated[
    AlmanacTask | LongSequenceTask | WikipediaLeadsTask | FileTask, Field(discriminator="source")
]


class LearnerRecipe(Record):
    """What `mezzo learn` is told. Relative paths count from the recipe's own folder."""

    base: str = "smollm2-135m"
    seed: int = 0
    method: dict[str, Any] = Field(default_factory=lambda: {"type": "recurrent-kif"})
    adapter: AdapterSettings = AdapterSettings()
    training: TrainingSettings = TrainingSettings()
    memory_rows: int = Field(60, ge=0)
    tasks: tuple[TaskSettings, ...] = Field(min_length=1)
    _folder: Path = PrivateAttr(Path())

    @classmethod
    def load(cls, path: Path | str) -> LearnerRecipe:
        """Read a YAML recipe. Raises `ConfigurationError` in one line, with the nearest name for an unknown key."""
        recipe = validated(cls, read_yaml(path), str(path))
        recipe._folder = Path(path).resolve().parent
        return recipe

    @property
    def base_found(self) -> str:
        """The base's name; where the recipe's folder holds a folder of that name, its path."""
        beside = self._folder / self.base
        return str(beside) if self.base not in BASES and beside.is_dir() else self.base

    def stream(self) -> TaskStream:
        """Load every task. Raises `DataError` where data is absent or empty."""
        return TaskStream([self._task(settings) for settings in self.tasks])

    def _task(self, settings: Any) -> Task:
        train, test = settings.load(self._folder, self.seed)
        return Task(name=settings.title, train=tuple(train), test=tuple(test))
