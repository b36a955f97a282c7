"""Numbers in words: 314 -> three hundred and fourteen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mezzofanti.corpus.sources.almanac.language import Language
from mezzofanti.corpus.sources.almanac.skills.base import Skill

__all__ = ["Cardinal"]


class Cardinal(Skill):
    """Spell a number from 1 to 999."""

    name = "cardinal"

    def arguments(self) -> Sequence[str]:
        return [str(number) for number in range(1, 1000)]

    def values(self, arguments: str) -> tuple[str, ...]:
        return (f"number:{arguments}",)

    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        return {"number": arguments}

    def answer(self, language: Language, arguments: str) -> str:
        return language.cardinal(int(arguments))
