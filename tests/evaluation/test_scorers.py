"""The scorers against answers whose score a person can tell at a glance."""

from __future__ import annotations

import builtins
import importlib.util
import unicodedata
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mezzofanti.errors import DataError, MissingExtraError
from mezzofanti.evaluation.questions import Question
from mezzofanti.evaluation.scorers import SCORERS, chrf, exact, fold_text, label, number, read_numbers


def test_every_scorer_a_question_may_name_exists() -> None:
    assert set(SCORERS) == set(get_args(Question.model_fields["scorer"].annotation))


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("three hundred and fourteen", "Three hundred and fourteen."),
        ("  trois cent quatorze\nVoilà pourquoi.", "trois cent quatorze"),
        (unicodedata.normalize("NFD", "vingt-deux février à midi né"), "vingt-deux février à midi né"),
        ("三百一十四。", "三百一十四"),
        ("Сто  двадцать !", "сто двадцать"),
        ("\n\nhola", "Hola"),
        ("?", "?"),
    ],
)
def test_exact_forgives_case_form_and_final_punctuation(answer: str, reference: str) -> None:
    assert exact(answer, reference) == 1.0


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("fevrier", "février"),
        ("dreissig", "dreißig"),
        ("vingt deux", "vingt-deux"),
        ("The answer is ten", "ten"),
        ("It is:\nten", "ten"),
        ("", "ten"),
        ("", "?"),
        ("!", "?"),
    ],
)
def test_exact_forgives_nothing_else(answer: str, reference: str) -> None:
    assert exact(answer, reference) == 0.0


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold_text(fold_text(text)) == fold_text(text)
    assert exact(text, text) == 1.0


def test_label_takes_the_whole_answer() -> None:
    assert label(" Very Negative \n", "very negative") == 1.0
    assert label("very negative.", "very negative") == 0.0
    assert label("very negative, negative, neutral", "very negative") == 0.0
    assert label("entailment\nbecause", "entailment") == 0.0


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("12 + 30 = 42.", "42"),
        ("Das macht 1.234,50 Euro", "1234.5"),
        ("about $1,234.50", "1234.5"),
        ("1 234,5 km", "1234.5"),
        ("1\u202f234\u202f567", "1234567"),
        ("1'234'567 Franken", "1234567"),
        ("12,34,567 rupees", "1234567"),
        ("1,234", "1234"),
        ("1,234", "1.234"),
        ("0,125", "0.125"),
        ("minus: -5", "-5"),
        ("\u22125 °C", "-5"),
        ("10-5", "5"),
        ("1, 2, 3", "3"),
        ("1,2,3", "3"),
        ("٣١٤", "314"),
        ("答案是４２。", "42"),
        ("42.0", "42"),
        ("12 m²", "12"),
        ("+7", "7"),
        ("1234,5", "1 234,5"),
    ],
)
def test_number_reads_the_last_number(answer: str, reference: str) -> None:
    assert number(answer, reference) == 1.0


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ("42, not 43", "42"),
        ("forty-two", "42"),
        ("", "42"),
        ("-42", "42"),
        ("0.125", "125"),
        ("1234", "1.234"),
    ],
)
def test_number_does_not_guess(answer: str, reference: str) -> None:
    assert number(answer, reference) == 0.0


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_english_and_german_writing_are_read_alike(value: Decimal) -> None:
    english = f"{value:,.2f}"
    german = english.translate(str.maketrans(",.", ".,"))
    assert value in read_numbers(f"it is {english} today")
    assert value in read_numbers(f"es sind {german} heute")


def test_a_reference_without_a_number_is_an_error() -> None:
    with pytest.raises(DataError, match="has no number"):
        number("42", "forty-two")


def test_chrf_agrees_with_a_count_by_hand() -> None:
    pytest.importorskip("sacrebleu")
    assert chrf("abc", "abc") == pytest.approx(1.0)
    assert chrf("xyz", "abc") == 0.0
    # Orders 1 and 2 exist for "ab"; against "abc": precisions 2/2 and 1/1, recalls 2/3 and 1/2.
    precision, recall = 1.0, (2 / 3 + 1 / 2) / 2
    assert chrf("ab", "abc") == pytest.approx(5 * precision * recall / (4 * precision + recall), abs=1e-6)


def test_chrf_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sacrebleu" else real(name))
    with pytest.raises(MissingExtraError, match=r"mezzofanti\[eval\]"):
        chrf("a", "a")
    assert builtins.ImportError in MissingExtraError.__mro__
