"""Dates in full: 2031-05-14 -> 14 May 2031. Without the weekday, which a small model cannot work out."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from mezzofanti.corpus.sources.almanac.language import Language
from mezzofanti.corpus.sources.almanac.skills.base import Skill

__all__ = ["Date"]

_FIRST, _LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)


class Date(Skill):
    """Write an ISO date as people write it: any day of the hundred years from 1950."""

    name = "date"

    def arguments(self) -> Sequence[str]:
        days = (_LAST - _FIRST).days + 1
        return [(_FIRST + datetime.timedelta(day)).isoformat() for day in range(days)]

    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        return {"date": arguments}

    def answer(self, language: Language, arguments: str) -> str:
        return language.date(datetime.date.fromisoformat(arguments))
