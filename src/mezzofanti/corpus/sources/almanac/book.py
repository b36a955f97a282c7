"""The almanac of one language: lessons to learn from, exams over what no lesson told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from mezzofanti.corpus.sources.almanac.languages import LANGUAGES, load
from mezzofanti.corpus.sources.almanac.lesson import GROUPS, Group, Lesson
from mezzofanti.corpus.sources.almanac.passages import Fact, draw, facts
from mezzofanti.corpus.sources.almanac.skills import ALL, Skill
from mezzofanti.corpus.sources.almanac.split import seeded
from mezzofanti.corpus.sources.almanac.topics import TOPICS
from mezzofanti.errors import ConfigurationError, nearest
from mezzofanti.records import Passage

__all__ = ["LANGUAGES", "SKILLS", "Almanac"]

SKILLS: tuple[str, ...] = tuple(ALL)

ExamGroup = Literal["derivable", "recall", "unseen-phrasing"]


class Almanac:
    """Lessons, exams and passages in one language.

    Everything drawn depends on the arguments and the seed alone. The same seed draws the same values in every
    language, so that languages are compared on equal questions.

    Raises:
        ConfigurationError: for an unknown language, skill or group, or when more is asked than there is.
    """

    def __init__(self, language: str) -> None:
        self._language = load(language)
        self.language = language

    def lessons(self, skills: Sequence[str] = SKILLS, count: int = 640, seed: int = 0) -> list[Lesson]:
        """Draw `count` different training rows, equally from each skill: taught values, seen phrasings."""
        chosen = _skills(skills)
        drawn = [self._rows(skill, "training", seed) for skill in chosen]
        return _take_in_turn(drawn, count, f"lessons of {', '.join(skills)}")

    def exam(
        self, skills: Sequence[str] = SKILLS, count: int = 120, seed: int = 0, group: ExamGroup = "derivable"
    ) -> list[Lesson]:
        """Draw `count` exam questions, equally from each skill of the group, each on another value.

        Groups: "derivable" (values never taught, seen phrasings), "unseen-phrasing" (both unseen) and
        "recall" (names never taught, which can be known but not worked out). Skills of another
        group are left aside.
        """
        if group not in GROUPS:
            raise ConfigurationError(f"There is no exam group {group!r}.", cure=nearest(group, GROUPS))
        chosen = [skill for skill in _skills(skills) if skill.derivable == (group != "recall")]
        drawn = [self._rows(skill, group, seed) for skill in chosen]
        return _take_in_turn(drawn, count, f"{group} questions of {', '.join(skills)}")

    def passages(self, count: int, seed: int = 0, topics: Sequence[str] = tuple(TOPICS)) -> list[Passage]:
        """Write `count` different short articles, equally about each topic; none tells an examined value."""
        return draw(self._language, count, seed, topics)

    def question(self, skill: str, arguments: str, phrasing: int = 0) -> Lesson:
        """Ask about one examined value, in a wording of choice; the group follows from both."""
        (chosen,) = _skills([skill])
        if arguments not in set(map(str, chosen.examined)):
            raise ConfigurationError(
                f"{skill} {arguments!r} is not kept for exams.", cure="Ask about an examined value."
            )
        seen = phrasing < len(self._language.said.phrasings[skill].seen)
        kind: Group = "recall" if not chosen.derivable else "derivable" if seen else "unseen-phrasing"
        return self._lesson(chosen, arguments, phrasing, kind)

    def facts(self, passage_id: str) -> tuple[Fact, ...]:
        """The questions that a passage answers, at least three, each also as a follow-up."""
        return facts(passage_id, self._language)

    def dialogue_facts(self, passage: Passage) -> list[tuple[str, str]]:
        """Pairs of question and answer, at least three; each answer stands in the passage as it is."""
        return [(fact.question, fact.answer) for fact in self.facts(passage.id)]

    def _rows(self, skill: Skill, group: Group, seed: int) -> Iterator[Lesson]:
        """Yield rows of one skill: each value once, in a drawn order; lessons go on in the other wordings."""
        stream = seeded(skill.name, group, seed)
        phrasings = self._language.said.phrasings[skill.name]
        seen, unseen = range(len(phrasings.seen)), range(len(phrasings.unseen))
        indices = [len(seen) + index for index in unseen] if group == "unseen-phrasing" else list(seen)
        values = list(skill.taught if group == "training" else skill.examined)
        stream.shuffle(values)
        starts = [stream.randrange(len(indices)) for _ in values]
        for turn in range(len(indices) if group == "training" else 1):
            for value, start in zip(values, starts, strict=True):
                yield self._lesson(skill, value, indices[(start + turn) % len(indices)], group)

    def _lesson(self, skill: Skill, arguments: str, phrasing: int, group: Group) -> Lesson:
        fields = skill.fields(self._language, arguments)
        return Lesson(
            language=self.language,
            skill=skill.name,
            arguments=arguments,
            phrasing=phrasing,
            question=self._language.said.phrasings[skill.name][phrasing].format(**fields),
            answer=skill.answer(self._language, arguments),
            group=group,
        )


def _skills(names: Sequence[str]) -> list[Skill]:
    unknown = [name for name in names if name not in ALL]
    if unknown:
        raise ConfigurationError(
            f"The almanac has no skill {unknown[0]!r}.", cure=nearest(unknown[0], SKILLS)
        )
    return [ALL[name] for name in dict.fromkeys(names)]


def _take_in_turn(streams: Sequence[Iterator[Lesson]], count: int, what: str) -> list[Lesson]:
    """Take one row from each stream in turn; a stream that ends leaves its turns to the others."""
    taken: list[Lesson] = []
    alive = list(streams)
    while alive and len(taken) < count:
        for stream in list(alive):
            row = next(stream, None)
            if row is None:
                alive.remove(stream)
            elif len(taken) < count:
                taken.append(row)
    if len(taken) < count:
        raise ConfigurationError(f"The almanac has {len(taken)} {what}, not {count}.", cure="Ask for fewer.")
    return taken
