"""What the almanac's articles are about, and the facts that fill them.

A topic with an examined value in any of its facts is never written about, so that no passage tells an exam.
"""

from __future__ import annotations

import abc
import datetime
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import ClassVar

from babel import Locale, UnknownLocaleError
from babel.languages import get_official_languages
from babel.numbers import get_territory_currencies

from mezzofanti.corpus.sources.almanac.language import Language
from mezzofanti.corpus.sources.almanac.numerals import roman
from mezzofanti.corpus.sources.almanac.skills import ALL
from mezzofanti.corpus.sources.almanac.skills.clock import hour_and_minute
from mezzofanti.corpus.sources.almanac.skills.names import Country, Currency, Tongue
from mezzofanti.corpus.sources.almanac.split import all_taught, number

__all__ = ["TOPICS", "Topic"]


class Topic(abc.ABC):
    """A kind of article: all things it can be about, what it tells of one, and its placeholders."""

    name: ClassVar[str]

    @abc.abstractmethod
    def candidates(self) -> Sequence[str]:
        """Everything one could write about, in a fixed order."""

    @abc.abstractmethod
    def values(self, subject: str) -> tuple[str, ...]:
        """The values ("kind:arguments") that the article tells."""

    @abc.abstractmethod
    def fields(self, language: Language, subject: str) -> Mapping[str, str]:
        """What the placeholders of the article stand for."""

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """What is written about: every value told is taught."""
        return tuple(subject for subject in self.candidates() if all_taught(self.values(subject)))


class NumberTopic(Topic):
    """A number, its neighbours, its digits, its other ways of writing."""

    name = "number"

    def candidates(self) -> Sequence[str]:
        return [str(value) for value in range(11, 990)]

    def values(self, subject: str) -> tuple[str, ...]:
        value = int(subject)
        told = (value, value - 1, value + 1, value + 10, sum(map(int, subject)))
        return tuple(number(each) for each in told)

    def fields(self, language: Language, subject: str) -> Mapping[str, str]:
        value = int(subject)
        told = {"number": value, "before": value - 1, "after": value + 1, "ten_more": value + 10}
        spelled = {f"{name}_words": language.cardinal(each) for name, each in told.items()}
        return {
            **{name: str(each) for name, each in told.items()},
            **spelled,
            "words": spelled["number_words"],
            "digit_sum": language.cardinal(sum(map(int, subject))),
            "parity": "odd" if value % 2 else "even",
            "roman": roman(value),
            "binary": f"{value:b}",
        }


class DayTopic(Topic):
    """A date in the calendar: its weekday, its month, the days around it."""

    name = "day"

    def candidates(self) -> Sequence[str]:
        return ALL["date"].arguments()[:-7]

    def values(self, subject: str) -> tuple[str, ...]:
        return tuple(f"date:{day.isoformat()}" for day in self._days(subject))

    def fields(self, language: Language, subject: str) -> Mapping[str, str]:
        day, tomorrow, week_later = self._days(subject)
        march = datetime.date(day.year, 3, 1)
        february = (march - datetime.timedelta(1)).day
        month_end = datetime.date(day.year + day.month // 12, day.month % 12 + 1, 1) - datetime.timedelta(1)
        return {
            "date": language.date(day),
            "iso": subject,
            "weekday": language.weekday(day.weekday()),
            "month": language.month(day.month),
            "month_days": language.measure(month_end.day, "duration-day"),
            "tomorrow": language.date(tomorrow),
            "tomorrow_weekday": language.weekday(tomorrow.weekday()),
            "week_later": language.date(week_later),
            "day_of_year": str(day.timetuple().tm_yday),
            "year": str(day.year),
            "leap": "yes" if february == 29 else "no",
            "february": language.measure(february, "duration-day"),
        }

    def _days(self, subject: str) -> tuple[datetime.date, datetime.date, datetime.date]:
        day = datetime.date.fromisoformat(subject)
        return day, day + datetime.timedelta(1), day + datetime.timedelta(7)


class CountryTopic(Topic):
    """A country: its name, an official language, its currency, its week."""

    name = "country"

    def candidates(self) -> Sequence[str]:
        return [code for code in Country().arguments() if _country(code)]

    def values(self, subject: str) -> tuple[str, ...]:
        tongue, currency, _ = _country(subject) or ("", "", None)
        return (f"country:{subject}", f"language:{tongue}", f"currency:{currency}")

    def fields(self, language: Language, subject: str) -> Mapping[str, str]:
        tongue, currency, week = _country(subject) or ("", "", Locale("en"))
        free_days = range(week.weekend_start, week.weekend_end + 1)
        return {
            "country": language.country(subject),
            "code": subject,
            "language": language.language(tongue),
            "language_code": tongue,
            "currency": language.currency(currency),
            "currency_code": currency,
            "five_currency": language.currency(currency, 5),
            "first_day": language.weekday(week.first_week_day),
            "weekend": language.list([language.weekday(day) for day in free_days]),
        }


@cache
def _country(code: str) -> tuple[str, str, Locale] | None:
    """Return the first official language, the currency and the locale of a country, where CLDR has all three."""
    tongues = [each for each in get_official_languages(code) if each in Tongue().arguments()]
    currency = next(iter(get_territory_currencies(code)), "")
    if not tongues or currency not in Currency().arguments():
        return None
    try:
        return tongues[0], currency, Locale.parse(f"{tongues[0]}_{code}")
    except UnknownLocaleError:
        return None


class ClockTopic(Topic):
    """A time on the dial, and how one says it and the times after it."""

    name = "clock"

    def candidates(self) -> Sequence[str]:
        return ALL["clock"].arguments()

    def values(self, subject: str) -> tuple[str, ...]:
        return tuple(f"clock:{time}" for time in self._times(subject))

    def fields(self, language: Language, subject: str) -> Mapping[str, str]:
        hour, minute = hour_and_minute(subject)
        times = dict(zip(("time", "later", "hour_later"), self._times(subject), strict=True))
        spoken = {f"{name}_words": language.time(*hour_and_minute(time)) for name, time in times.items()}
        return {
            **times,
            **spoken,
            "words": spoken["time_words"],
            "afternoon": f"{hour % 12 + 12}:{minute:02}",
        }

    def _times(self, subject: str) -> tuple[str, str, str]:
        hour, minute = hour_and_minute(subject)
        next_hour = hour % 12 + 1
        later = f"{hour}:{minute + 5:02}" if minute < 55 else f"{next_hour}:00"
        return subject, later, f"{next_hour}:{minute:02}"


class UnitTopic(Topic):
    """A unit of measure after one and after two other numbers, and what it makes in a smaller one."""

    name = "unit"

    _SMALLER: ClassVar[Mapping[str, tuple[int, str]]] = {
        "length-kilometer": (1000, "length-meter"),
        "length-meter": (100, "length-centimeter"),
        "length-centimeter": (10, "length-millimeter"),
        "mass-kilogram": (1000, "mass-gram"),
        "volume-liter": (1000, "volume-milliliter"),
        "duration-minute": (60, "duration-second"),
        "duration-hour": (60, "duration-minute"),
        "duration-day": (24, "duration-hour"),
        "duration-week": (7, "duration-day"),
        "duration-year": (12, "duration-month"),
        "duration-century": (100, "duration-year"),
    }

    def candidates(self) -> Sequence[str]:
        return [
            f"{unit}*{few}*{many}" for unit in self._SMALLER for few in range(2, 10) for many in range(10, 41)
        ]

    def values(self, subject: str) -> tuple[str, ...]:
        unit, few, many = subject.split("*")
        counts = (1, int(few), int(many))
        rows = [ALL[skill].values(f"{count}*{unit}") for skill in ("unit", "plural") for count in counts]
        return tuple(value for values in rows for value in values)

    def fields(self, language: Language, subject: str) -> Mapping[str, str]:
        unit, few, many = subject.split("*")
        filled = {"smaller": language.measure(*self._SMALLER[unit])}
        for name, count in (("one", 1), ("a", int(few)), ("b", int(many))):
            filled[name] = language.measure(count, unit)
            filled[f"{name}_short"] = language.measure(count, unit, "short")
            filled[f"{name}_words"] = language.counted(count, unit)
        return filled


TOPICS: dict[str, Topic] = {
    topic.name: topic for topic in (NumberTopic(), DayTopic(), CountryTopic(), ClockTopic(), UnitTopic())
}
