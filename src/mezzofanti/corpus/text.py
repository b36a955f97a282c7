"""What guards and teachers measure in a text: numbers, sentences, letters, overlap."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from decimal import Decimal
from functools import cache
from itertools import pairwise

__all__ = ["letters", "numbers", "overlap", "plain", "script", "sentences", "words"]

_DECIMAL_COMMA = frozenset({"fr", "es", "de", "it", "ru"})
_SPACES = "\u00a0\u202f\u2009"
# French, Spanish and Russian also group thousands with an ordinary space; elsewhere "12 100" is two numbers.
_SPACED = frozenset({"fr", "es", "ru"})
_TOKEN = re.compile(r"\d+(?:[.,'’]\d+)*")
_GROUPED = {
    True: re.compile(rf"(?<!\d)(?<!\d[.,])\d{{1,3}}(?:[ {_SPACES}]\d{{3}})+(?!\d)"),
    False: re.compile(rf"(?<!\d)(?<!\d[.,])\d{{1,3}}(?:[{_SPACES}]\d{{3}})+(?!\d)"),
}


def numbers(text: str, language: str) -> Counter[str]:
    """Count the numbers written in digits, by value: "1,234.50" in English and "1.234,5" in German are one number.

    Signs are left out (a hyphen is more often a dash or a minus between two numbers than a sign), and what
    no number can look like ("3.4.2031") counts as several numbers.
    """
    text = "".join(str(unicodedata.digit(char)) if char.isdecimal() else char for char in text)
    joined = _GROUPED[language in _SPACED].sub(lambda match: re.sub(r"\D", "", match.group()), text)
    found: Counter[str] = Counter()
    for token in _TOKEN.findall(joined):
        found.update(_values(token, decimal="," if language in _DECIMAL_COMMA else "."))
    return found


def _values(token: str, decimal: str) -> list[str]:
    grouping = {",": ".", ".": ","}[decimal]
    whole, comma, fraction = token.partition(decimal)
    digits = re.sub(r"['’]", "", whole)
    if re.fullmatch(rf"\d{{1,3}}(?:\{grouping}\d{{3}})+", digits):
        digits = digits.replace(grouping, "")
    if digits.isdigit() and (not comma or fraction.isdigit()):
        return [_canonical(f"{digits}.{fraction or 0}")]
    # "3.5" in a language that writes "3,5": the point can only be a decimal point
    if not comma and re.fullmatch(rf"\d+\{grouping}\d+", digits):
        return [_canonical(digits.replace(grouping, "."))]
    return [_canonical(part) for part in re.findall(r"\d+", token)]


def _canonical(value: str) -> str:
    return format(Decimal(value).normalize(), "f")


_END = re.compile(
    r"(?<=[.!?…])(?P<closed>(?:\s?[\"”»’)])*)\s+(?=[\"“«„¿¡(—-]?\s?[^\W_a-zà-ÿа-я])|(?<=[。！？])(?P<quote>[”」]*)\s*|\n+"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(“«„.])(?:[^\W\d_]|[A-Z][a-z]{0,2}|c|ca|bzw|etc|approx|av|dr|prof|св|г|гг|ок)\.$"
)


def sentences(text: str) -> list[str]:
    """Cut a text into sentences; initials and short abbreviations end none. Nothing but white space is lost."""
    found: list[str] = []
    for piece in _pieces(text):
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] = f"{found[-1]} {piece}"
        else:
            found.append(piece)
    return found


def _pieces(text: str) -> list[str]:
    """Cut after every mark that may end a sentence; quotes that close after the mark stay with it."""
    cuts = [0]
    for match in _END.finditer(text):
        cuts.append(match.start() + len(match["closed"] or match["quote"] or ""))
    cuts.append(len(text))
    pieces = (text[start:end].strip() for start, end in pairwise(cuts))
    return [piece for piece in pieces if piece]


_NOT_PROSE = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$\n]+\$|\\[a-zA-Z]+|https?://\S+|www\.\S+", re.DOTALL
)


def plain(text: str) -> str:
    """Return the text without code, LaTeX and addresses, which say nothing about its language."""
    return _NOT_PROSE.sub(" ", text)


def letters(text: str) -> list[str]:
    """Return the letters of a text."""
    return [char for char in text if char.isalpha()]


@cache
def script(char: str) -> str:
    """Return the first word of a letter's Unicode name: LATIN, CYRILLIC, CJK, ..."""
    return unicodedata.name(char, "UNKNOWN").split(" ", 1)[0].split("-", 1)[0]


def words(text: str) -> list[str]:
    """Return lower-case words; each Chinese or Japanese character is a word of its own."""
    return re.findall(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+", text.casefold())


def overlap(text: str, other: str) -> float:
    """Return the share of the word triples of `text` that `other` holds, 0 to 1; of shorter runs where it has none."""
    size = min(3, len(words(text)))
    if size == 0:
        return 0.0
    mine, theirs = _shingles(text, size), _shingles(other, size)
    return len(mine & theirs) / len(mine)


def _shingles(text: str, size: int) -> set[tuple[str, ...]]:
    parts = words(text)
    return {tuple(parts[start : start + size]) for start in range(len(parts) - size + 1)}
