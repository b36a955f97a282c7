"""How an answer is scored: one function a scorer, each (answer, reference) -> a float from 0 to 1.

`SCORERS` holds them by the name that a `Question` carries. All are strict: no label is searched for inside a
longer answer, because a model that repeats every option would then always be right.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from mezzofanti.errors import DataError, require

__all__ = ["SCORERS", "Scorer", "chrf", "exact", "fold_text", "label", "number", "read_numbers"]

Scorer = Callable[[str, str], float]

FINAL_PUNCTUATION = ".,;:!?…。，、；：！？"
SPACES = " \u00a0\u2009\u202f"

# A comma or a point may group thousands or mark decimals; a space or an apostrophe only groups.
_NUMBER = re.compile(
    rf"(?<![\w.,])[-+\u2212](?=\d)|\d{{1,3}}(?:[{SPACES}'’]\d{{3}})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,]\d+)*"
)


def fold_text(text: str) -> str:
    """Return the form in which `exact` compares two texts.

    In this order: white space around the text is removed; the first line is kept; runs of white space in it
    become one space; letters are lower-cased (`str.lower`, so that "dreißig" and "dreissig" stay different);
    the Unicode form becomes NFC; final punctuation (`FINAL_PUNCTUATION`) is removed, unless nothing else is
    left. Accents, hyphens, apostrophes and punctuation elsewhere are kept: they are part of the spelling.
    """
    lines = text.strip().splitlines()
    line = " ".join(lines[0].split()) if lines else ""
    line = unicodedata.normalize("NFC", line.lower())
    return line.rstrip(FINAL_PUNCTUATION + SPACES) or line


def exact(answer: str, reference: str) -> float:
    """Return 1 where the folded first line of the answer is the folded reference (see `fold_text`), else 0."""
    return float(fold_text(answer) == fold_text(reference))


def label(answer: str, reference: str) -> float:
    """Return 1 where answer and reference are equal after stripping and lower-casing, else 0.

    The scoring of the Long Sequence benchmark as the code of Recurrent-KIF does it: the whole answer counts,
    no label is parsed out of it.
    """
    return float(answer.strip().lower() == reference.strip().lower())


def number(answer: str, reference: str) -> float:
    """Return 1 where the last number in the answer is the reference, else 0.

    The reference is written in digits: "-1234.5", or as a locale writes it ("1 234,5"). Where one separator
    leaves two readings ("1,234" is 1234 in English and 1.234 in French), an answer is right if one of them is.
    Digits of any script count; numbers in words do not. Raises `DataError` where the reference has no number.
    """
    right = _reference_numbers(reference)
    return float(not right.isdisjoint(read_numbers(answer)))


def chrf(answer: str, reference: str) -> float:
    """Return the sentence chrF of the answer over 100: character n-grams to order 6, beta 2, no word n-grams.

    M. Popović, "chrF: character n-gram F-score for automatic MT evaluation" (2015), as sacreBLEU computes it.
    Raises `MissingExtraError` where sacreBLEU is not installed (`mezzofanti[eval]`).
    """
    require("eval", "sacrebleu")
    import sacrebleu

    return float(sacrebleu.sentence_chrf(answer, [reference]).score) / 100


SCORERS: dict[str, Scorer] = {"exact": exact, "label": label, "number": number, "chrf": chrf}


def _reference_numbers(reference: str) -> frozenset[Decimal]:
    try:
        return frozenset({Decimal(reference.strip())})
    except InvalidOperation:
        readings = read_numbers(reference)
    if not readings:
        raise DataError(
            f"The reference {reference!r} has no number in it.",
            cure="Write it in digits, or score the question with 'exact'.",
        )
    return readings


def read_numbers(text: str) -> frozenset[Decimal]:
    """Return every reading of the last number in `text`: none, one, or two where its separator is ambiguous."""
    last, sign = "", 1
    pending = 1
    for match in _NUMBER.finditer(_plain_digits(text)):
        if match.group() in "-+\u2212":
            pending = 1 if match.group() == "+" else -1
            continue
        last, sign, pending = match.group(), pending, 1
    return frozenset(sign * value for value in _readings(last)) if last else frozenset()


def _plain_digits(text: str) -> str:
    digits = {
        ord(character): str(unicodedata.decimal(character))
        for character in set(text)
        if character.isdecimal()
    }
    # The Arabic decimal mark and thousands mark have one meaning each.
    return text.translate({**digits, ord("٫"): ".", ord("٬"): "'"})


def _readings(token: str) -> set[Decimal]:
    marks = re.sub(r"\d", "", token)
    if not marks:
        return {Decimal(token)}
    mark = marks[-1]
    head, _, tail = token.rpartition(mark)
    readings = set()
    if mark in ".," and mark not in head and _grouped(head):
        readings.add(Decimal(f"{_bare(head)}.{tail}"))
    if _grouped(token) and len(set(marks)) == 1:
        readings.add(Decimal(_bare(token)))
    # "1,2,3" is a list, not a number: its last item is what was said last.
    return readings or {Decimal(re.split(r"\D", token)[-1])}


def _grouped(token: str) -> bool:
    """Say whether digits are grouped as locales do: in threes, or in India in twos before the last three."""
    first, *groups = re.split(r"\D", token)
    if not groups:
        return True
    in_order = all(len(group) in (2, 3) for group in groups) and len(groups[-1]) == 3
    return in_order and 1 <= len(first) <= 3 and not first.startswith("0")


def _bare(token: str) -> str:
    return re.sub(r"\D", "", token)
