"""What the file of a language says, checked on reading: `languages/<code>.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from mezzofanti.records import Record

__all__ = [
    "Article",
    "Clock",
    "Date",
    "Numbers",
    "Ordinals",
    "Phrasings",
    "Replacements",
    "Specification",
    "Units",
]

Replacements = Mapping[str, str]
"""Regular expressions and what stands in their place, applied in order to what CLDR or num2words says."""


class Numbers(Record):
    """How numbers are spelled: by num2words, or from `digits` (zero to nine), "ten" and "hundred".

    `replace` corrects what num2words gets wrong;
    `masculine`, `feminine` and `neuter` turn a counting form into the one before such a noun.
    """

    engine: Literal["num2words", "positional"] = "num2words"
    digits: str = ""
    ten: str = ""
    hundred: str = ""
    replace: Replacements = Field(default_factory=dict)
    masculine: Replacements = Field(default_factory=dict)
    feminine: Replacements = Field(default_factory=dict)
    neuter: Replacements = Field(default_factory=dict)


class Ordinals(Record):
    """How ordinals from 1 to 100 are spelled: by num2words, from `words` (tens and ones apart) or a `pattern`."""

    words: Mapping[int, str] = Field(default_factory=dict)
    pattern: str = ""
    replace: Replacements = Field(default_factory=dict)


class Date(Record):
    """Corrections of CLDR's long date."""

    replace: Replacements = Field(default_factory=dict)


class Clock(Record):
    """How one tells the time in steps of five minutes, on a dial of twelve hours.

    Each of `hours` is a list of twelve forms, from one to twelve. A template of `minutes` names a form of the
    hour that runs ("{spoken}") or of the next one ("{next_spoken}"); "spoken" is the cardinal where not given.
    """

    hours: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    minutes: Mapping[int, str]
    replace: Replacements = Field(default_factory=dict)


class Units(Record):
    """The genders of units that are not masculine, and corrections of a number with its unit."""

    feminine: tuple[str, ...] = ()
    neuter: tuple[str, ...] = ()
    forms: Replacements = Field(default_factory=dict)
    replace: Replacements = Field(default_factory=dict)


class Phrasings(Record):
    """The wordings of one question: the first are seen in lessons, the others in exams only."""

    seen: tuple[str, ...] = Field(min_length=4)
    unseen: tuple[str, ...] = Field(min_length=2)

    def __getitem__(self, index: int) -> str:
        """The wording at `index`, seen ones first."""
        return (self.seen + self.unseen)[index]


class Article(Record):
    """A short text about one thing. A sentence that depends on a field is a mapping {field: {value: sentence}}.

    Each fact is a question, its answer (which stands in the text as it is) and the same question asked as a
    follow-up, when one already speaks of the thing.
    """

    title: str
    text: tuple[str | dict[str, dict[str, str]], ...]
    facts: tuple[tuple[str, str, str], ...] = Field(min_length=3)


class Specification(Record):
    """One language: its CLDR locale, its rules and exceptions, all that is said in it."""

    name: str
    locale: str
    joiner: str = " "
    numbers: Numbers = Numbers()
    ordinals: Ordinals = Ordinals()
    date: Date = Date()
    clock: Clock
    units: Units = Units()
    lists: Replacements = Field(default_factory=dict)
    operations: Mapping[Literal["+", "-", "*"], str]
    separator: str = ", "
    phrasings: Mapping[str, Phrasings]
    articles: Mapping[str, Article]

    @model_validator(mode="after")
    def _clock_is_whole(self) -> Specification:
        if sorted(self.clock.minutes) != list(range(0, 60, 5)):
            raise ValueError("clock.minutes must have a template for 0, 5, 10 ... 55")
        return self
