"""Numbers in words, ordinals in words, and words back into digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mezzofanti.corpus.sources.almanac.language import Language
from mezzofanti.corpus.sources.almanac.skills.base import Skill
from mezzofanti.corpus.sources.almanac.split import number

__all__ = ["Cardinal", "Numeral", "Ordinal"]


class _Number(Skill):
    """One number; whether it is taught or examined is the same for each of these skills."""

    last = 999

    def arguments(self) -> Sequence[str]:
        return [str(value) for value in range(1, self.last + 1)]

    def values(self, arguments: str) -> tuple[str, ...]:
        return (number(arguments),)

    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        return {"number": arguments}


class Cardinal(_Number):
    """314 -> three hundred and fourteen."""

    name = "cardinal"

    def answer(self, language: Language, arguments: str) -> str:
        return language.cardinal(int(arguments))


class Ordinal(_Number):
    """14 -> fourteenth. Up to a hundred: beyond, languages do not agree with themselves."""

    name = "ordinal"
    last = 100

    def answer(self, language: Language, arguments: str) -> str:
        return language.ordinal(int(arguments))


class Numeral(_Number):
    """three hundred and fourteen -> 314."""

    name = "numeral"

    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        return {"words": language.cardinal(int(arguments))}

    def answer(self, language: Language, arguments: str) -> str:
        return arguments
