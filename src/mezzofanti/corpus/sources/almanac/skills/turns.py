"""The turn of the days and the months: three days after Monday, five months after May."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mezzofanti.corpus.sources.almanac.language import Language
from mezzofanti.corpus.sources.almanac.skills.base import Skill

__all__ = ["Month", "Weekday"]


class _Turn(Skill):
    """A start and a number of steps: "1+3"."""

    size: int
    last: int

    def arguments(self) -> Sequence[str]:
        return [f"{start}+{steps}" for start in range(1, self.size + 1) for steps in range(1, self.last + 1)]

    def start(self, arguments: str) -> int:
        return int(arguments.split("+")[0])

    def steps(self, arguments: str) -> int:
        return int(arguments.split("+")[1])

    def end(self, arguments: str) -> int:
        return (self.start(arguments) + self.steps(arguments) - 1) % self.size + 1


class Weekday(_Turn):
    """Today is Monday. Which day is it in 3 days? -> Thursday. Monday is 1, as in ISO 8601."""

    name = "weekday"
    size, last = 7, 20

    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        weekday = language.weekday(self.start(arguments) - 1)
        return {"weekday": weekday, "later": language.later(self.steps(arguments), "day")}

    def answer(self, language: Language, arguments: str) -> str:
        return language.weekday(self.end(arguments) - 1)


class Month(_Turn):
    """It is May. Which month is it in 3 months? -> August."""

    name = "month"
    size, last = 12, 18

    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        month = language.month(self.start(arguments))
        return {"month": month, "later": language.later(self.steps(arguments), "month")}

    def answer(self, language: Language, arguments: str) -> str:
        return language.month(self.end(arguments))
