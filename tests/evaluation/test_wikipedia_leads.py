"""Topics of Wikipedia leads as tasks: on small files written here, and on the real leads where they are present."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mezzofanti.errors import ConfigurationError, DataError
from mezzofanti.evaluation.suites.wikipedia_leads import (
    LANGUAGES,
    load_task,
    load_validation,
    split,
    topics,
)

TOPICS = ("Arts, jeux", "Histoire", "Science")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        {
            "title": f"Article {number}",
            "text": f"Ceci est le texte {number}. " + "mot " * (number % 50),
            "description": "",
            "topic": TOPICS[number % 3],
            "language": "fr",
            "url": f"https://fr.wikipedia.org/wiki/Article_{number}",
        }
        for number in range(300)
    ]
    rows += [{**rows[0], "topic": "Science"}, {**rows[1], "title": "Divers", "topic": "Uncategorized"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "fr.parquet")
    return tmp_path


def test_a_task_is_asked_in_the_language_itself_with_all_topics(folder: Path) -> None:
    samples, questions = load_task(folder, "fr")
    assert topics(folder, "fr") == TOPICS
    prompt = questions[0].prompt
    assert prompt.startswith("À quel thème cet article appartient-il ?")
    assert "Arts, jeux; Histoire; Science." in prompt
    assert questions[0].reference in TOPICS
    assert (questions[0].scorer, questions[0].language) == ("label", "fr")
    assert {sample.messages[1].content for sample in samples} == set(TOPICS)
    assert all(sample.language == "fr" for sample in samples)


def test_attribution_travels_with_every_row(folder: Path) -> None:
    for sample in load_task(folder, "fr")[0]:
        title = sample.messages[0].content.split("\n\n")[1].split("\n")[0]
        assert sample.lineage.license == "CC BY-SA 4.0"
        assert sample.lineage.url == f"https://fr.wikipedia.org/wiki/{title.replace(' ', '_')}"
        assert sample.lineage.source == f"Wikipedia, {title}"
        assert sample.lineage.passage_id == f"fr/{title}"
        assert not sample.lineage.template


def test_the_split_is_a_hash_of_language_and_title(folder: Path) -> None:
    # Golden: these places may never move, or old learners are examined on what they were taught.
    titles = [f"Article {number}" for number in range(12)]
    assert [split("fr", title)[:2] for title in titles] == [
        "te",
        "tr",
        "tr",
        "tr",
        "tr",
        "va",
        "tr",
        "tr",
        "te",
        "tr",
        "te",
        "tr",
    ]
    samples, questions = load_task(folder, "fr", seed=3)
    validation = load_validation(folder, "fr")
    assert all(split("fr", sample.id.split("/")[2]) == "train" for sample in samples)
    assert all(split("fr", question.id.split("/")[2]) == "test" for question in questions)
    assert all(split("fr", question.id.split("/")[2]) == "validation" for question in validation)
    assert len(samples) + len(questions) + len(validation) == 300


def test_uncategorized_and_second_listings_are_left_out_and_counted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        samples, questions = load_task(folder, "fr")
    assert "300 articles; left out: 1 without a topic, 1 listed twice" in caplog.text
    everything = [sample.messages[0].content for sample in samples] + [
        question.prompt for question in questions
    ]
    assert not any("Uncategorized" in prompt or "Divers" in prompt for prompt in everything)


def test_draws_are_nested_and_the_exam_is_fixed(folder: Path) -> None:
    first, exam = load_task(folder, "fr", train_rows=20, test_rows=5, seed=0)
    second, same = load_task(folder, "fr", train_rows=20, test_rows=5, seed=1)
    assert exam == same
    assert first != second
    assert load_task(folder, "fr", train_rows=40, seed=0)[0][:20] == first


def test_long_articles_are_left_out(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    samples, _ = load_task(folder, "fr", max_characters=100)
    assert all(len(sample.messages[0].content.rsplit("\n", 1)[1]) <= 100 for sample in samples)
    assert "Wikipedia leads, fr, train" in caplog.text


def test_mistakes_are_named(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no Wikipedia leads in 'frr'. Did you mean 'fr'"):
        load_task(folder, "frr")
    with pytest.raises(DataError, match=r"there is no .*en.parquet"):
        load_task(folder, "en")
    (folder / "en.parquet").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="not a file of Wikipedia leads"):
        load_task(folder, "en")
    pq.write_table(pa.table({"title": ["a"], "text": ["b"]}), folder / "es.parquet")
    with pytest.raises(DataError, match="not a file of Wikipedia leads"):
        load_task(folder, "es")


@pytest.mark.parametrize(
    ("language", "articles", "classes"), [("en", 9033, 11), ("fr", 9951, 11), ("es", 6226, 8)]
)
def test_the_real_leads(shared_data: Path, language: str, articles: int, classes: int) -> None:
    real = shared_data / "wikipedia_leads"
    if not real.is_dir():
        pytest.skip("benchmark data absent: wikipedia_leads")
    samples, questions = load_task(real, language)
    validation = load_validation(real, language)
    assert len(samples) + len(questions) + len(validation) == articles
    assert len(questions) / articles == pytest.approx(0.1, abs=0.01)
    assert len(topics(real, language)) == classes
    taught = {sample.messages[0].content for sample in samples}
    assert not taught & {question.prompt for question in [*questions, *validation]}
    # An exam that one topic fills would need no reading.
    assert Counter(question.reference for question in questions).most_common(1)[0][1] < 0.4 * len(questions)
    assert all(sample.lineage.url.startswith(f"https://{language}.wikipedia.org/") for sample in samples)
    assert language in LANGUAGES
