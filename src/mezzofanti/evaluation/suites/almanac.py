"""School: the almanac's lessons of one language as a task, with an exam over values no lesson told."""

from __future__ import annotations

from collections.abc import Sequence

from mezzofanti.corpus.sources.almanac import Almanac, Lesson
from mezzofanti.evaluation.questions import Question
from mezzofanti.records import Lineage, Message, Sample

__all__ = ["LANGUAGE_NAMES", "LICENSE", "load_task", "question", "sample"]

LANGUAGE_NAMES = {
    "en": "english",
    "fr": "french",
    "es": "spanish",
    "de": "german",
    "it": "italian",
    "ru": "russian",
    "zh": "chinese",
}
FOLLOWED = "314"
LICENSE = "Unicode-3.0 (CLDR facts)"


def load_task(
    language: str,
    *,
    skills: Sequence[str] = ("cardinal", "date"),
    train_rows: int = 640,
    questions: int = 120,
    unseen_phrasings: int = 0,
    recall: int = 0,
    seed: int = 0,
) -> tuple[list[Sample], list[Question]]:
    """Return the training samples and the exam of one language.

    `seed` draws the training rows; the exam is the same for every seed, and shares no (skill, arguments) pair with
    any row that could be drawn. Raises `ConfigurationError` for an unknown language or skill.
    """
    almanac = Almanac(language)
    lessons = almanac.lessons(skills=skills, count=train_rows, seed=seed)
    exam = [question(lesson) for lesson in _paper(almanac, skills, questions)]
    if unseen_phrasings:
        unseen = almanac.exam(skills=skills, count=unseen_phrasings, group="unseen-phrasing")
        exam += [question(lesson) for lesson in unseen]
    if recall:
        exam += [question(lesson) for lesson in almanac.exam(count=recall, group="recall")]
    return [sample(lesson) for lesson in lessons], exam


def _paper(almanac: Almanac, skills: Sequence[str], count: int) -> list[Lesson]:
    """The exam; where numbers are asked, the first question is the one the project's pages follow: 314 in words."""
    drawn = almanac.exam(skills=skills, count=count)
    if "cardinal" not in skills:
        return drawn
    rest = [lesson for lesson in drawn if (lesson.skill, lesson.arguments) != ("cardinal", FOLLOWED)]
    return [almanac.question("cardinal", FOLLOWED), *rest][:count]


def sample(lesson: Lesson) -> Sample:
    """A lesson as a training sample."""
    asked = Message(role="user", content=lesson.question)
    said = Message(role="assistant", content=lesson.answer)
    lineage = Lineage(
        source="almanac", license=LICENSE, prompt=f"{lesson.skill}/{lesson.phrasing}", template=True
    )
    return Sample(
        id=lesson.id, language=lesson.language, skill=lesson.skill, messages=(asked, said), lineage=lineage
    )


def question(lesson: Lesson, *, group: str | None = None) -> Question:
    """A lesson as an exam question, scored by exact match."""
    return Question(
        id=lesson.id,
        prompt=lesson.question,
        reference=lesson.answer,
        group=group or lesson.group,
        language=lesson.language,
    )
