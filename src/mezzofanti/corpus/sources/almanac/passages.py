"""Short articles of the almanac, and the questions that each of them answers.

Titles, sentences and questions are templates of the language's file; the facts in them are CLDR's and the
calendar's. A passage's id says all that is needed to write it again: almanac-fr-number-312.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from mezzofanti.corpus.sources.almanac.language import Language
from mezzofanti.corpus.sources.almanac.specification import Article
from mezzofanti.corpus.sources.almanac.split import seeded
from mezzofanti.corpus.sources.almanac.topics import TOPICS
from mezzofanti.errors import ConfigurationError, nearest
from mezzofanti.records import Passage, Record

__all__ = ["LICENSE", "SOURCE", "Fact", "draw", "facts", "write"]

SOURCE = "almanac"
LICENSE = "Unicode-3.0 (CLDR facts)"


class Fact(Record):
    """A question that a passage answers; the answer stands in its text as it is.

    `follow_up` asks the same of someone who already speaks of the passage's subject.
    """

    question: str
    answer: str
    follow_up: str


def draw(language: Language, count: int, seed: int, topics: Sequence[str]) -> list[Passage]:
    """Write `count` different passages, equally about each topic.

    Raises:
        ConfigurationError: for an unknown topic, or when there is not so much to write about.
    """
    for name in topics:
        if name not in TOPICS:
            raise ConfigurationError(f"The almanac has no topic {name!r}.", cure=nearest(name, TOPICS))
    streams = [_shuffled(TOPICS[name].subjects, seeded("passages", name, seed)) for name in topics]
    drawn: list[Passage] = []
    while len(drawn) < count:
        round_of = [(name, next(stream, None)) for name, stream in zip(topics, streams, strict=True)]
        written = [write(language, name, subject) for name, subject in round_of if subject is not None]
        if not written:
            raise ConfigurationError(
                f"The almanac has {len(drawn)} passages, not {count}.", cure="Ask for fewer."
            )
        drawn += written
    return drawn[:count]


def write(language: Language, topic: str, subject: str) -> Passage:
    """Write the passage about one subject."""
    article, fields = _article(language, topic, subject)
    sentences = [_sentence(part, fields).format(**fields) for part in article.text]
    return Passage(
        id=f"{SOURCE}-{language.code}-{topic}-{subject}",
        language=language.code,
        title=article.title.format(**fields),
        text=language.said.joiner.join(sentences),
        topic=topic,
        source=SOURCE,
        license=LICENSE,
    )


def facts(passage_id: str, language: Language) -> tuple[Fact, ...]:
    """Return the facts of a passage of this language, from its id.

    Raises:
        ConfigurationError: when the id is not that of a passage of this language.
    """
    prefix, _, rest = passage_id.partition(f"{SOURCE}-{language.code}-")
    topic, _, subject = rest.partition("-")
    if prefix or topic not in TOPICS or subject not in TOPICS[topic].subjects:
        message = f"{passage_id!r} is not a passage of the almanac in {language.code!r}."
        raise ConfigurationError(message, cure="Give the id of a passage that this almanac wrote.")
    article, fields = _article(language, topic, subject)
    filled = [[part.format(**fields) for part in fact] for fact in article.facts]
    return tuple(Fact(question=q, answer=a, follow_up=f) for q, a, f in filled)


def _article(language: Language, topic: str, subject: str) -> tuple[Article, Mapping[str, str]]:
    return language.said.articles[topic], TOPICS[topic].fields(language, subject)


def _sentence(part: str | Mapping[str, Mapping[str, str]], fields: Mapping[str, str]) -> str:
    if isinstance(part, str):
        return part
    [(field, sentences)] = part.items()
    return sentences[fields[field]]


def _shuffled(subjects: Sequence[str], stream: random.Random) -> Iterator[str]:
    order = list(subjects)
    stream.shuffle(order)
    return iter(order)
