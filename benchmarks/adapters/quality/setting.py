"""What is fixed in the quality studies: tasks and their sizes, contestants, rates, training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from benchmarks.record import REPOSITORY, RESULTS, WORK
from mezzofanti.continual import TrainingSettings
from mezzofanti.corpus.stories import make_stories, tell
from mezzofanti.evaluation.questions import Question
from mezzofanti.recipe import AlmanacTask, LongSequenceTask
from mezzofanti.records import Lineage, Message, Record, Sample

__all__ = ["METHODS", "STUDIES", "Job", "Lessons", "Setting", "StoriesTask", "Study", "load"]

METHODS = (
    *("lora-equal", "molora-r8", "malora"),
    *("rslora-equal", "lora-time", "malora-normalised", "dora-equal"),
)
REPEATED = ("lora-equal", "molora-r8", "malora")
"""Those with more than one seed."""
EXAM_SEED = 1_000_003


class StoriesTask(Record):
    """Arithmetic stories of one language, the answer with its calculation; the last number counts."""

    source: Literal["stories"] = "stories"
    language: str = "en"
    name: str = ""
    train_rows: int = 300
    questions: int = 100

    @property
    def title(self) -> str:
        """What the task is called."""
        return self.name or f"stories-{self.language}"

    def load(self, folder: Path, seed: int) -> tuple[list[Sample], list[Question]]:
        """Stories to learn from, and an exam of others, the same for every seed."""
        asked = make_stories(self.questions, EXAM_SEED)
        examined = {tell(story, self.language)["question"] for story in asked}
        drawn = [tell(story, self.language) for story in make_stories(2 * self.train_rows, seed)]
        told = [words for words in drawn if words["question"] not in examined][: self.train_rows]
        questions = [
            Question(
                id=story.id,
                prompt=tell(story, self.language)["question"],
                reference=tell(story, self.language)["answer"],
                scorer="number",
                language=self.language,
            )
            for story in asked
        ]
        return [self._sample(number, words) for number, words in enumerate(told)], questions

    def _sample(self, number: int, words: Mapping[str, str]) -> Sample:
        said = (
            Message(role="user", content=words["question"]),
            Message(role="assistant", content=words["answer"]),
        )
        lineage = Lineage(source="arithmetic stories", license="Apache-2.0", template=True)
        return Sample(
            id=f"stories/{number}", language=self.language, skill="stories", messages=said, lineage=lineage
        )


class Study(NamedTuple):
    """Tasks that are learned mixed, for so many passes over their rows."""

    tasks: tuple[Any, ...]
    epochs: int
    padding_free: bool = False


def _numbers(language: str, rows: int) -> AlmanacTask:
    skills = ("cardinal",)
    name = f"numbers-{language}"
    return AlmanacTask(
        source="almanac", language=language, name=name, skills=skills, train_rows=rows, questions=80
    )


def _skill(skill: str, language: str, rows: int) -> AlmanacTask:
    return AlmanacTask(
        source="almanac",
        language=language,
        name=f"{skill}-{language}",
        skills=(skill,),
        train_rows=rows,
        questions=100,
    )


def _real(task: str, rows: int, longest: int) -> LongSequenceTask:
    return LongSequenceTask(
        source="long-sequence",
        task=task,
        folder="long_sequence",
        train_rows=rows,
        questions=100,
        max_characters=longest,
    )


STUDIES = {
    # six of the seven differ in kind; three are real text
    "across-domains": Study(
        (
            _real("agnews", 240, 400),
            _real("dbpedia", 200, 500),
            _real("sst-2", 240, 250),
            StoriesTask(train_rows=240),
            _skill("cardinal", "fr", 140),
            _skill("sequence", "en", 90),
            _skill("date", "en", 50),
        ),
        epochs=2,
        padding_free=True,  # padded, a batch is 1.8 times as long, and learns the same
    ),
    "within-a-domain": Study(
        (
            _numbers("en", 320),
            _numbers("fr", 240),
            _numbers("es", 200),
            _numbers("de", 140),
            _numbers("it", 100),
        ),
        epochs=3,
    ),
}


class Job(NamedTuple):
    """One training with its exam. Kinds: "search" (half the rows, validation), "cell", "single" (one task alone).

    `name` is a contestant; for "single" a task, which LoRA of equal parameters learns.
    """

    kind: str
    study: str
    name: str
    seed: int
    rate: float


@dataclass(frozen=True)
class Setting:
    """Everything a job depends on; the tests have a tiny one."""

    base: str = "smollm2-135m"
    studies: Mapping[str, Study] = field(default_factory=lambda: STUDIES)
    rates: tuple[float, ...] = (1e-3, 2e-3, 4e-3)
    most_rates: int = 6
    methods: tuple[str, ...] = METHODS
    repeated: tuple[str, ...] = REPEATED
    upper_half: bool = True
    dropout: float = 0.05
    validation_rows: int = 20
    timing_rounds: int = 20
    training: TrainingSettings = TrainingSettings(  # noqa: RUF009 (frozen)
        weight_decay=0.01, save_steps=50, max_length=256, max_new_tokens=64, per_device_eval_batch_size=100
    )
    data: Path = REPOSITORY.parent / "shared" / "data"
    folder: Path = WORK / "adapters" / "quality"
    result: Path = RESULTS / "malora_quality.json"

    def place(self, job: Job) -> Path:
        """Where a job's work and what it found lie."""
        return self.folder / job.study / f"{job.kind}-{job.name}-seed-{job.seed}-{job.rate:g}"

    def names(self, study: str) -> list[str]:
        """The tasks of a study."""
        return [task.title for task in self.studies[study].tasks]


class Lessons(NamedTuple):
    """What a job learns from and is asked: `{task: rows}` and `{task: questions}`."""

    rows: dict[str, list[Sample]]
    papers: dict[str, list[Question]]


def load(setting: Setting, job: Job) -> Lessons:
    """Load the rows and questions of a job.

    A search learns the first half of every task's rows and is asked some of the other half: no exam question is
    looked at for the rate.
    """
    rows: dict[str, list[Sample]] = {}
    papers: dict[str, list[Question]] = {}
    for task in setting.studies[job.study].tasks:
        if job.kind == "single" and task.title != job.name:
            continue
        train, test = task.load(setting.data, job.seed)
        if job.kind == "search":
            half = len(train) // 2
            held = train[half : half + setting.validation_rows]
            train, test = train[:half], [_asked(row, test[0].scorer) for row in held]
        rows[task.title], papers[task.title] = train, test
    return Lessons(rows, papers)


def _asked(row: Sample, scorer: Any) -> Question:
    asked, right = row.messages[-2].content, row.messages[-1].content
    return Question(id=row.id, prompt=asked, reference=right, scorer=scorer, language=row.language)
