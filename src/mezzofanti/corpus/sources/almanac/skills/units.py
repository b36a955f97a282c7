"""Units after a number: "5 km" in words, and the plural that a number asks for, by CLDR's plural rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mezzofanti.corpus.sources.almanac.language import Language
from mezzofanti.corpus.sources.almanac.skills.base import Skill
from mezzofanti.corpus.sources.almanac.split import number

__all__ = ["UNITS", "Plural", "Unit", "count_and_unit"]

UNITS = (
    "length-kilometer",
    "length-meter",
    "length-centimeter",
    "length-millimeter",
    "length-mile",
    "mass-kilogram",
    "mass-gram",
    "volume-liter",
    "duration-second",
    "duration-minute",
    "duration-hour",
    "duration-day",
    "duration-week",
)
"""CLDR's keys; what they are called, and in which gender, is the language's matter.

Months, years and centuries have short forms that look like another unit's ("5 m.", "5 л.", "5 s."), so they
are not asked in short, only in `Plural`.
"""

_MORE = (
    "duration-month",
    "duration-year",
    "duration-century",
    "length-foot",
    "length-inch",
    "length-light-year",
    "mass-pound",
    "mass-ounce",
    "area-hectare",
    "angle-degree",
)


def count_and_unit(arguments: str) -> tuple[int, str]:
    """Read "5*length-kilometer"."""
    count, unit = arguments.split("*")
    return int(count), unit


class Unit(Skill):
    """5 km -> five kilometres."""

    name = "unit"

    def arguments(self) -> Sequence[str]:
        return [f"{count}*{unit}" for unit in UNITS for count in range(1, 100)]

    def values(self, arguments: str) -> tuple[str, ...]:
        return (f"unit:{arguments}", number(count_and_unit(arguments)[0]))

    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        return {"measure": language.measure(*count_and_unit(arguments), length="short")}

    def answer(self, language: Language, arguments: str) -> str:
        return language.counted(*count_and_unit(arguments))


class Plural(Skill):
    """1 kilometre, 5 ... -> kilometres."""

    name = "plural"

    def arguments(self) -> Sequence[str]:
        return [f"{count}*{unit}" for unit in UNITS + _MORE for count in range(2, 31)]

    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        count, unit = count_and_unit(arguments)
        return {"one": language.measure(1, unit), "count": str(count)}

    def answer(self, language: Language, arguments: str) -> str:
        return language.unit(*count_and_unit(arguments))
