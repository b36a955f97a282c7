"""What a guard is given, and what a guard is."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal, Protocol

from mezzofanti.corpus.prompts import load_prompts
from mezzofanti.corpus.text import script
from mezzofanti.records import Record

__all__ = ["Candidate", "Guard", "Role", "phrase_in", "phrases_of"]

Role = Literal["question", "answer", "translation"]


class Candidate(Record):
    """A reply with what it must be held against. Empty fields are not looked at."""

    text: str
    language: str
    role: Role
    question: str = ""
    history: tuple[str, ...] = ()
    passage: str = ""
    original: str = ""
    original_language: str = "en"
    instructions: str = ""


class Guard(Protocol):
    """One reason to reject a reply."""

    name: str

    def check(self, candidate: Candidate) -> str | None:
        """Return what is wrong, or None."""
        ...


def phrase_in(text: str, phrases: tuple[str, ...]) -> str | None:
    """Return the first of `phrases` to stand in the text as whole words, or None."""
    found = _pattern(phrases).search(re.sub(r"\s+", " ", text.casefold().replace("’", "'")))
    return found.group() if found else None


@cache
def _pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    # Chinese writes no spaces between words, so there a phrase may stand anywhere
    bare = [re.escape(phrase.casefold()) for phrase in phrases if script(phrase[0]) == "CJK"]
    words = [re.escape(phrase.casefold()) for phrase in phrases if script(phrase[0]) != "CJK"]
    whole = [rf"(?<![^\W\d_])(?:{'|'.join(words)})(?![^\W\d_])"] if words else []
    return re.compile("|".join([*whole, *bare]))


@cache
def phrases_of(language: str, kind: Literal["refusal", "orders"]) -> tuple[str, ...]:
    """Return the phrases of a language and the English ones, which weak teachers fall back to."""
    own: tuple[str, ...] = getattr(load_prompts(language).phrases, kind)
    english: tuple[str, ...] = getattr(load_prompts("en").phrases, kind)
    return own if language == "en" else own + english
