"""Clock times as people say them: 3:45 -> a quarter to four."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mezzofanti.corpus.sources.almanac.language import Language
from mezzofanti.corpus.sources.almanac.skills.base import Skill

__all__ = ["Clock", "hour_and_minute"]


def hour_and_minute(time: str) -> tuple[int, int]:
    """Read "3:45"."""
    hour, minute = time.split(":")
    return int(hour), int(minute)


class Clock(Skill):
    """Tell the time, in steps of five minutes on a dial of twelve hours."""

    name = "clock"

    def arguments(self) -> Sequence[str]:
        return [f"{hour}:{minute:02}" for hour in range(1, 13) for minute in range(0, 60, 5)]

    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        return {"time": arguments}

    def answer(self, language: Language, arguments: str) -> str:
        return language.time(*hour_and_minute(arguments))
