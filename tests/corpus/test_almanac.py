"""Lessons and exams: disjoint by value, the same in every process, in the language itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mezzofanti.corpus.sources.almanac import GROUPS, LANGUAGES, SKILLS, Almanac, Lesson
from mezzofanti.corpus.sources.almanac.languages import load
from mezzofanti.corpus.sources.almanac.skills import ALL
from mezzofanti.corpus.sources.almanac.skills.units import UNITS
from mezzofanti.corpus.sources.almanac.split import EXAM_SHARE, is_examined
from mezzofanti.errors import ConfigurationError

DERIVABLE = tuple(name for name in SKILLS if ALL[name].derivable)
RECALL = tuple(name for name in SKILLS if not ALL[name].derivable)


def test_what_the_issue_asks_for() -> None:
    assert LANGUAGES == ("en", "fr", "es", "de", "it", "ru", "zh")
    assert len(SKILLS) >= 12
    assert RECALL == ("country", "language", "currency")


def test_the_number_of_the_project_page_is_asked_in_english_and_never_taught() -> None:
    assert load("en").said.phrasings["cardinal"][0].format(number=314) == "Write 314 in words."
    assert load("en").cardinal(314) == "three hundred and fourteen"
    assert "314" in ALL["cardinal"].examined
    assert "314" not in ALL["cardinal"].taught
    assert "2031-05-14" in ALL["date"].examined


@pytest.mark.parametrize("name", SKILLS)
def test_no_argument_is_taught_and_examined(name: str) -> None:
    skill = ALL[name]
    every = list(skill.arguments())
    assert len(every) == len(set(every))
    assert not set(skill.taught) & set(skill.examined)
    assert set(skill.taught) | set(skill.examined) <= set(every)
    assert skill.taught
    assert skill.examined


@pytest.mark.parametrize("name", SKILLS)
def test_a_lesson_tells_no_examined_value(name: str) -> None:
    skill = ALL[name]
    assert not [a for a in skill.taught if any(is_examined(value) for value in skill.values(a))]


def _lessons(language: str) -> list[Lesson]:
    """In English every training row of every skill but dates; of those, and in other languages, many."""
    almanac, rows = Almanac(language), []
    for name in SKILLS:
        wordings = len(load(language).said.phrasings[name].seen)
        most = 8000 if language == "en" and name != "date" else 500
        rows += almanac.lessons((name,), min(most, len(ALL[name].taught) * wordings), seed=5)
    return rows


def test_exams_share_no_skill_and_arguments_with_any_row_of_any_language() -> None:
    taught = {(row.skill, row.arguments) for language in LANGUAGES for row in _lessons(language)}
    examined = set()
    for group in GROUPS:
        for name in RECALL if group == "recall" else DERIVABLE:
            rows = Almanac("en").exam((name,), min(2000, len(ALL[name].examined)), group=group)
            examined |= {(row.skill, row.arguments) for row in rows}
    assert len(taught) > 5000
    assert len(examined) > 2000
    assert not taught & examined


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_lesson_in_words_spells_an_examined_number(language: str) -> None:
    said = load(language)
    secret = {said.cardinal(int(a)) for a in ALL["cardinal"].examined if int(a) < 100}
    almanac = Almanac(language)
    for name in ("arithmetic", "comparison", "sequence"):
        for row in almanac.lessons((name,), 600):
            words = set(re.split(r"[,、：:?？.。]\s*| or | ou | oder | o | или ", row.question)) | {
                row.answer
            }
            assert not words & secret, row


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_more_than_three_hundred_questions(language: str) -> None:
    without_dates = tuple(name for name in DERIVABLE if name != "date")
    rows = Almanac(language).exam(without_dates, 300)
    assert len({(row.skill, row.arguments) for row in rows}) == 300
    assert {row.skill for row in rows} == set(without_dates)
    assert len(Almanac(language).exam(RECALL, 120, group="recall")) == 120


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_skill_gives_lessons_and_questions(language: str) -> None:
    almanac = Almanac(language)
    for name in SKILLS:
        group = "derivable" if ALL[name].derivable else "recall"
        for row in almanac.lessons((name,), 40) + almanac.exam((name,), 10, group=group):
            assert row.question.strip() == row.question
            assert row.answer.strip() == row.answer != ""
            assert not re.search(r"[{}_\xa0\u202f]|  ", row.question + row.answer), row
            assert len(row.question) < 120


SCRIPTS = {"ru": r"[А-Яа-яё]", "zh": r"[\u4e00-\u9fff]"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_questions_and_answers_are_in_the_script_of_the_language(language: str) -> None:
    own = SCRIPTS.get(language, r"[A-Za-zÀ-ž]")
    foreign = "|".join(script for script in SCRIPTS.values() if script != own)
    for row in Almanac(language).lessons(SKILLS, 900, seed=2):
        assert re.search(own, row.question), row
        assert not re.search(foreign, row.question + row.answer), row
        if row.skill not in ("numeral", "date"):
            assert re.search(own, row.answer), row
        if language in SCRIPTS:  # what is left of Latin letters is a code, a symbol of a unit
            latin = re.findall(r"[A-Za-z]+", row.question + row.answer)
            assert all(len(word) <= 3 for word in latin), row


def test_groups_say_which_wordings_are_asked() -> None:
    almanac = Almanac("it")
    seen = len(load("it").said.phrasings["cardinal"].seen)
    assert {row.phrasing for row in almanac.lessons(("cardinal",), 200)} == set(range(seen))
    assert all(row.phrasing < seen for row in almanac.exam(("cardinal",), 100))
    unseen = almanac.exam(("cardinal",), 100, group="unseen-phrasing")
    assert {row.phrasing for row in unseen} == {seen, seen + 1}
    assert {row.group for row in unseen} == {"unseen-phrasing"}


def test_rows_are_different_and_skills_take_turns() -> None:
    rows = Almanac("es").lessons(("cardinal", "date"), 640)
    assert len({row.id for row in rows}) == 640
    assert [row.skill for row in rows[:4]] == ["cardinal", "date", "cardinal", "date"]
    assert len({row.arguments for row in rows if row.skill == "cardinal"}) == 320


def test_every_language_is_asked_the_same_values() -> None:
    asked = [
        [(row.skill, row.arguments) for row in Almanac(code).exam(count=100, seed=4)] for code in LANGUAGES
    ]
    assert all(one == asked[0] for one in asked)


@settings(max_examples=25)
@given(st.sampled_from(LANGUAGES), st.integers(0, 2**31), st.integers(1, 60), st.sampled_from(GROUPS))
def test_a_seed_draws_the_same_rows_and_never_a_taught_value(
    language: str, seed: int, count: int, group: str
) -> None:
    rows = Almanac(language).exam(count=count, seed=seed, group=group)  # type: ignore[arg-type]
    assert rows == Almanac(language).exam(count=count, seed=seed, group=group)  # type: ignore[arg-type]
    lessons = Almanac(language).lessons(count=count, seed=seed)
    assert not {(row.skill, row.arguments) for row in rows} & {(row.skill, row.arguments) for row in lessons}
    assert len({row.id for row in rows}) == len({row.id for row in lessons}) == count


def test_rows_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "from mezzofanti.corpus.sources.almanac import Almanac; import hashlib;"
        "a = Almanac('ru'); rows = [*a.lessons(count=90), *a.exam(count=90), *a.passages(10)];"
        "print(hashlib.sha256(''.join(map(str, rows)).encode()).hexdigest())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def test_about_a_quarter_of_the_values_is_examined() -> None:
    dates = ALL["date"]
    assert abs(len(dates.examined) / len(dates.arguments()) - EXAM_SHARE) < 0.01


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Almanac("frr"), "fr"),
        (lambda: Almanac("fr").lessons(("cardinl",)), "cardinal"),
        (lambda: Almanac("fr").exam(group="recal"), "recall"),  # type: ignore[arg-type]
        (lambda: Almanac("fr").exam(("clock",), 500), "36 derivable questions of clock, not 500"),
        (lambda: Almanac("fr").exam(("country",), 10), "0 derivable questions of country"),
    ],
)
def test_bad_requests_name_the_cure(call: object, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        call()  # type: ignore[operator]


GOLDEN = {
    "en": ("date", "2031-05-14", "14 May 2031"),
    "fr": ("date", "2031-05-01", "1er mai 2031"),
    "es": ("weekday", "7+1", "lunes"),
    "de": ("arithmetic", "7*3", "einundzwanzig"),
    "it": ("date", "2031-05-01", "1º maggio 2031"),
    "ru": ("date", "2031-08-11", "11 августа 2031 года"),
    "zh": ("month", "12+2", "二月"),
}


@pytest.mark.parametrize("language", GOLDEN)
def test_golden_answers(language: str) -> None:
    name, arguments, answer = GOLDEN[language]
    assert ALL[name].answer(load(language), arguments) == answer


def test_answers_are_those_of_plain_arithmetic() -> None:
    for arguments in ALL["arithmetic"].arguments():
        left, sign, right = re.split(r"([-+*])", arguments)
        result = {"+": int(left) + int(right), "-": int(left) - int(right), "*": int(left) * int(right)}[sign]
        assert ALL["arithmetic"].answer(load("en"), arguments) == load("en").cardinal(result)
    for arguments in ALL["sequence"].arguments():
        terms = list(map(int, arguments.split(",")))
        assert len({b - a for a, b in pairwise(terms)}) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_are_names_and_no_two_are_alike(language: str) -> None:
    for name in RECALL:
        answers = [ALL[name].answer(load(language), code) for code in ALL[name].arguments()]
        assert len(set(answers)) == len(answers)
        assert not set(answers) & set(ALL[name].arguments())
        assert not [answer for answer in answers if "(" in answer]


def test_short_forms_of_units_are_told_apart() -> None:
    for language in LANGUAGES:
        shorts = [load(language).measure(5, unit, "short").rstrip(".") for unit in UNITS]
        assert len(set(shorts)) == len(UNITS)


ROW = re.compile(r"^\| `([a-z]+)` \| `([^`]+)` \| (.+) \| (.+) \|$")
COUNTS = re.compile(r"^\| `([a-z]+)` \| .+ \| (derivable|recall) \| (\d+) \| (\d+) \|$")


def test_the_reference_page_says_what_the_almanac_says(repository: Path) -> None:
    language, examples, counts = "", 0, {}
    for line in (repository / "docs/reference/almanac.md").read_text("utf-8").splitlines():
        if line.startswith("### "):
            language = line.split("`")[1]
        if count := COUNTS.match(line):
            counts[count[1]] = (count[2] == "derivable", int(count[3]), int(count[4]))
        elif row := ROW.match(line):
            examples += 1
            said, skill = load(language), ALL[row[1]]
            assert row[3] == said.said.phrasings[row[1]][0].format(**skill.fields(said, row[2]))
            assert row[4] == skill.answer(said, row[2])
    assert examples == len(LANGUAGES) * len(SKILLS)
    assert counts == {name: (s.derivable, len(s.taught), len(s.examined)) for name, s in ALL.items()}
