"""The almanac's articles: readable, true, and silent about what is examined."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mezzofanti.corpus.sources.almanac import LANGUAGES, TOPICS, Almanac
from mezzofanti.corpus.sources.almanac.languages import load, parse
from mezzofanti.corpus.sources.almanac.skills import ALL
from mezzofanti.corpus.sources.almanac.split import is_examined
from mezzofanti.errors import ConfigurationError, DataError


@pytest.mark.parametrize("language", LANGUAGES)
def test_passages_are_short_articles_with_their_licence(language: str) -> None:
    passages = Almanac(language).passages(100, seed=3)
    assert len({passage.id for passage in passages}) == 100
    assert {passage.topic for passage in passages} == set(TOPICS)
    for passage in passages:
        size = len(passage.text) / 1.7 if language == "zh" else len(passage.text.split())
        assert 60 <= size <= 150, passage
        assert (passage.source, passage.license) == ("almanac", "Unicode-3.0 (CLDR facts)")
        assert passage.language == language
        assert passage.title
        assert not re.search(r"[{}_\xa0\u202f]|  ", passage.title + passage.text), passage


@settings(max_examples=40)
@given(st.sampled_from(LANGUAGES), st.integers(0, 10**6))
def test_every_fact_is_answered_by_the_text(language: str, seed: int) -> None:
    almanac = Almanac(language)
    for passage in almanac.passages(5, seed):
        pairs = almanac.dialogue_facts(passage)
        assert len(pairs) >= 3
        assert len({question for question, _ in pairs}) == len(pairs)
        assert [(fact.question, fact.answer) for fact in almanac.facts(passage.id)] == pairs
        assert all(answer in passage.text for _, answer in pairs), passage
        marks = "?？.…"
        assert all(
            fact.follow_up[-1] in marks and fact.question[-1] in marks for fact in almanac.facts(passage.id)
        )


@pytest.mark.parametrize("name", TOPICS)
def test_no_passage_tells_an_examined_value(name: str) -> None:
    topic = TOPICS[name]
    assert len(topic.subjects) >= 25
    assert not [s for s in topic.subjects if any(is_examined(value) for value in topic.values(s))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_in_words_inside_articles_are_taught_ones(language: str) -> None:
    said, almanac = load(language), Almanac(language)
    secret = {a: said.cardinal(int(a)) for a in ALL["cardinal"].examined}
    for passage in almanac.passages(60, seed=9, topics=("number", "unit", "day")):
        for n, words in secret.items():
            pattern = rf"(?<!\d){n}\b.{{0,4}}{re.escape(words)}(?![-\w])"
            assert n not in passage.text or not re.search(pattern, passage.text), passage


def test_an_article_of_each_topic_in_english() -> None:
    almanac = Almanac("en")
    number = next(p for p in almanac.passages(300, topics=("number",)) if p.title == "The number 297")
    assert "“two hundred and ninety-seven”" in number.text
    assert "CCXCVII" in number.text
    assert almanac.dialogue_facts(number)[0] == (
        "How is 297 written in words?",
        "two hundred and ninety-seven",
    )
    day = almanac.facts("almanac-en-day-1965-10-09")
    assert [fact.answer for fact in day] == ["Saturday", "1965-10-09", "10 October 1965", "282"]


def test_a_leap_year_has_its_day() -> None:
    leap = next(s for s in TOPICS["day"].subjects if s.startswith("1996"))
    assert TOPICS["day"].fields(load("en"), leap)["february"] == "29 days"
    assert TOPICS["day"].fields(load("en"), "1999-12-31")["month_days"] == "31 days"


def test_a_country_tells_its_first_currency_and_its_week() -> None:
    fields = TOPICS["country"].fields(load("de"), "CH")
    assert (fields["country"], fields["language"], fields["currency"]) == (
        "Schweiz",
        "Deutsch",
        "Schweizer Franken",
    )
    assert (fields["first_day"], fields["weekend"]) == ("Montag", "Samstag und Sonntag")


def test_spanish_joins_with_e_before_the_sound_of_i() -> None:
    assert load("es").list(["español", "inglés"]) == "español e inglés"
    assert load("es").list(["alemán", "francés", "hindi"]) == "alemán, francés e hindi"
    assert load("es").list(["inglés", "español"]) == "inglés y español"


def test_bad_requests_name_the_cure() -> None:
    almanac = Almanac("fr")
    with pytest.raises(ConfigurationError, match="clock"):
        almanac.passages(3, topics=("clok",))
    with pytest.raises(ConfigurationError, match="passages, not"):
        almanac.passages(10**5, topics=("clock",))
    for wrong in ("almanac-en-number-297", "almanac-fr-number-314", "nothing", "almanac-fr-nosuch-1"):
        with pytest.raises(ConfigurationError, match="not a passage"):
            almanac.facts(wrong)


def test_a_further_language_is_one_file() -> None:
    from importlib import resources

    text = (resources.files("mezzofanti.corpus.sources.almanac.languages") / "it.yaml").read_text("utf-8")
    twin = parse("it", text)
    assert twin.cardinal(28) == "ventotto"
    with pytest.raises(DataError, match=r"phrasings\.cardinal"):
        parse("it", text.replace("  cardinal:\n", "  cardinals:\n"))
    with pytest.raises(DataError, match=r"\{number\}"):
        parse("it", text.replace("Come si scrive {number}?", "Come si scrive {numero}?"))
    with pytest.raises(DataError, match="clock"):
        parse("it", text.replace("    55:", "    54:"))
    with pytest.raises(DataError, match="does not describe"):
        parse("it", "name: [")


@pytest.mark.parametrize("language", LANGUAGES)
def test_wordings_use_every_placeholder_and_none_is_said_twice(language: str) -> None:
    for name, wordings in load(language).said.phrasings.items():
        everything = wordings.seen + wordings.unseen
        assert len(set(everything)) == len(everything)
        assert len(wordings.seen) == 4
        assert len(wordings.unseen) == 2
        fields = set(ALL[name].fields(load(language), ALL[name].arguments()[0]))
        assert all(set(re.findall(r"\{(\w+)\}", wording)) == fields for wording in everything), name
