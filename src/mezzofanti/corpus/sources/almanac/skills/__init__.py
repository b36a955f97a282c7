"""The skills of the almanac, one file a family; `ALL` is their order everywhere."""

from __future__ import annotations

from mezzofanti.corpus.sources.almanac.skills.arithmetic import Arithmetic, Comparison, Sequences
from mezzofanti.corpus.sources.almanac.skills.base import Skill
from mezzofanti.corpus.sources.almanac.skills.clock import Clock
from mezzofanti.corpus.sources.almanac.skills.date import Date
from mezzofanti.corpus.sources.almanac.skills.names import Country, Currency, Tongue
from mezzofanti.corpus.sources.almanac.skills.numbers import Cardinal, Numeral, Ordinal
from mezzofanti.corpus.sources.almanac.skills.turns import Month, Weekday
from mezzofanti.corpus.sources.almanac.skills.units import Plural, Unit

__all__ = ["ALL", "Skill"]

_SKILLS: tuple[Skill, ...] = (
    Cardinal(),
    Ordinal(),
    Date(),
    Clock(),
    Country(),
    Tongue(),
    Currency(),
    Unit(),
    Plural(),
    Arithmetic(),
    Comparison(),
    Sequences(),
    Weekday(),
    Month(),
    Numeral(),
)

ALL: dict[str, Skill] = {skill.name: skill for skill in _SKILLS}
