"""A language as the skills and articles use it: numbers, dates, times, units and names, from CLDR and its file."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from babel import Locale
from babel.dates import format_date, format_timedelta
from babel.lists import format_list
from babel.numbers import get_currency_name
from babel.units import format_unit, get_unit_name

from mezzofanti.corpus.sources.almanac.numerals import cardinal, ordinal, replace
from mezzofanti.corpus.sources.almanac.specification import Specification

__all__ = ["Language"]


class Language:
    """The voice of one language; `said` is what its file says."""

    def __init__(self, code: str, said: Specification) -> None:
        self.code = code
        self.said = said
        self.cldr = Locale.parse(said.locale)
        self.cardinal = lru_cache(maxsize=2048)(self._cardinal)

    def _cardinal(self, number: int) -> str:
        return cardinal(self.said.numbers, self.code, number)

    def ordinal(self, number: int) -> str:
        """Spell the ordinal of `number` (1 to 100)."""
        return ordinal(self.said.ordinals, self.code, number, self.cardinal(number))

    def date(self, day: datetime.date) -> str:
        """Write a date in full, without its weekday."""
        return replace(format_date(day, "long", locale=self.cldr), self.said.date.replace)

    def weekday(self, number: int) -> str:
        """Name a weekday: Monday is 0."""
        return str(self.cldr.days["stand-alone"]["wide"][number])

    def month(self, number: int) -> str:
        """Name a month: January is 1."""
        return str(self.cldr.months["stand-alone"]["wide"][number])

    def later(self, count: int, unit: Literal["day", "month"]) -> str:
        """Say "in 3 days", "in 3 months"."""
        days = count * (1 if unit == "day" else 30)
        span = datetime.timedelta(days=days)
        text = format_timedelta(span, granularity=unit, threshold=1e9, add_direction=True, locale=self.cldr)
        return replace(text, {})

    def time(self, hour: int, minute: int) -> str:
        """Tell the time (hour 1 to 12, minute a multiple of five) as people say it."""
        clock = self.said.clock
        spoken = tuple(self.cardinal(number) for number in range(1, 13))
        forms = {"spoken": spoken, **clock.hours}
        now = {name: words[hour - 1] for name, words in forms.items()}
        following = {f"next_{name}": words[hour % 12] for name, words in forms.items()}
        return replace(clock.minutes[minute].format(**now, **following), clock.replace)

    def measure(self, count: int, unit: str, length: Literal["short", "long"] = "long") -> str:
        """Write a number of units in digits: "5 kilometres", or "5 km" for `length` "short"."""
        text = format_unit(count, unit, length=length, locale=self.cldr)
        if length == "short" or unit in text:
            # CLDR may say of a long form "as the short one"; Babel then answers with the unit's key.
            text = self._short(count, unit)
        return replace(text, self.said.units.forms)

    def _short(self, count: int, unit: str) -> str:
        """Write "1 h" where Babel says "1 horas": a form that CLDR leaves out is as the one of other numbers."""
        one, other = (format_unit(n, unit, length="short", locale=self.cldr) for n in (1, 2))
        label = get_unit_name(unit, length="short", locale=self.cldr)
        if count == 1 and one == f"1 {label}" != other.replace("2", "1", 1):
            return str(other.replace("2", "1", 1))
        return str(format_unit(count, unit, length="short", locale=self.cldr))

    def unit(self, count: int, unit: str) -> str:
        """The form of a unit's name after `count`: "kilometre", "kilometres"."""
        return self.measure(count, unit).replace(str(count), "").strip()

    def counted(self, count: int, unit: str) -> str:
        """Write a number of units in words, in the gender of the unit: "five kilometres"."""
        units, numbers = self.said.units, self.said.numbers
        rules = numbers.masculine
        if unit in units.feminine:
            rules = numbers.feminine
        elif unit in units.neuter:
            rules = numbers.neuter
        words = replace(self.cardinal(count), rules)
        return replace(self.measure(count, unit).replace(str(count), words), units.replace)

    def country(self, code: str) -> str:
        """Name a country by its ISO 3166 code."""
        return replace(self.cldr.territories[code], {})

    def language(self, code: str) -> str:
        """Name a language by its ISO 639 code."""
        return replace(self.cldr.languages[code], {})

    def currency(self, code: str, count: int | None = None) -> str:
        """Name a currency by its ISO 4217 code, in the form that follows `count`."""
        return replace(get_currency_name(code, count=count, locale=self.cldr), {})

    def list(self, items: Sequence[str]) -> str:
        """Join names as in a sentence: "a, b and c"."""
        return replace(format_list(list(items), locale=self.cldr), self.said.lists)
