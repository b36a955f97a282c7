"""What a language file must say: how its numbers, dates and names are written, and how one asks for them.

The defaults come from CLDR (Babel) and num2words; a language overrides what they get wrong or leave out.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import ClassVar

from babel import Locale
from babel.dates import format_date
from num2words import num2words

from mezzofanti.records import Record

__all__ = ["Language", "Phrasings"]


class Phrasings(Record):
    """The wordings of one question: the first are seen in lessons, the others in exams only."""

    seen: tuple[str, ...]
    unseen: tuple[str, ...]

    def __getitem__(self, index: int) -> str:
        """The wording at `index`, seen ones first."""
        return (self.seen + self.unseen)[index]


class Language:
    """A language of the almanac. One file of `languages/` holds one subclass of this, named by `code`."""

    code: ClassVar[str]
    locale: ClassVar[str]
    phrasings: ClassVar[Mapping[str, Phrasings]]

    def __init__(self) -> None:
        self.cldr = Locale.parse(self.locale)

    def cardinal(self, number: int) -> str:
        """Spell `number` (1 to 999) as one counts."""
        return str(num2words(number, lang=self.code))

    def date(self, day: datetime.date) -> str:
        """Write a date in full, without its weekday."""
        return str(format_date(day, "long", locale=self.cldr))
