"""Small arithmetic in words: sums, differences and products, which number is greater, how a row goes on.

A lesson spells no number that is examined: an operand, a result or a term with an examined value keeps the
whole task out of the lessons.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from mezzofanti.corpus.sources.almanac.language import Language
from mezzofanti.corpus.sources.almanac.skills.base import Skill
from mezzofanti.corpus.sources.almanac.split import number

__all__ = ["Arithmetic", "Comparison", "Sequences"]

_OPERATIONS: dict[str, Callable[[int, int], int]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


@cache
def _task(arguments: str) -> tuple[int, str, int, int]:
    left, sign, right = re.split(r"([-+*])", arguments)
    return int(left), sign, int(right), _OPERATIONS[sign](int(left), int(right))


class Arithmetic(Skill):
    """twelve plus seven -> nineteen, with results from 1 to 99."""

    name = "arithmetic"

    def arguments(self) -> Sequence[str]:
        sums = [f"{a}+{b}" for a in range(1, 99) for b in range(1, min(20, 99 - a) + 1)]
        differences = [f"{a}-{b}" for a in range(2, 100) for b in range(1, min(20, a - 1) + 1)]
        products = [f"{a}*{b}" for a in range(2, 11) for b in range(2, 11) if a * b < 100]
        return sums + differences + products

    def values(self, arguments: str) -> tuple[str, ...]:
        left, sign, right, result = _task(arguments)
        if sign != "-" and right < left:
            left, right = right, left  # 7+12 is the same knowledge as 12+7
        return (f"{self.name}:{left}{sign}{right}", number(left), number(right), number(result))

    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        left, sign, right, _ = _task(arguments)
        said = language.said.operations
        return {"task": said[sign].format(a=language.cardinal(left), b=language.cardinal(right))}  # type: ignore[index]

    def answer(self, language: Language, arguments: str) -> str:
        return language.cardinal(_task(arguments)[3])


class Comparison(Skill):
    """Which is greater, thirty-one or forty? -> forty."""

    name = "comparison"

    def arguments(self) -> Sequence[str]:
        # Neighbours, near and far: 31 is asked with 32, 40, 13 (its mirror), 61.
        near = [(a, b) for a in range(1, 100) for b in {a + 1, a + 9, a + 30, a % 10 * 10 + a // 10}]
        pairs = {tuple(sorted(pair)) for pair in near if 0 < min(pair) < max(pair) < 100}
        return [f"{a},{b}" for low, high in sorted(pairs) for a, b in ((low, high), (high, low))]

    def values(self, arguments: str) -> tuple[str, ...]:
        low, high = sorted(map(int, arguments.split(",")))
        return (f"{self.name}:{low},{high}", number(low), number(high))

    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        first, second = (language.cardinal(int(part)) for part in arguments.split(","))
        return {"first": first, "second": second}

    def answer(self, language: Language, arguments: str) -> str:
        return language.cardinal(max(map(int, arguments.split(","))))


class Sequences(Skill):
    """three, six, nine ... -> twelve; also downwards."""

    name = "sequence"

    def arguments(self) -> Sequence[str]:
        rows = [
            [start + step * place for place in range(4)]
            for start in range(1, 61)
            for step in range(-9, 10)
            if step
        ]
        return [",".join(map(str, row)) for row in rows if min(row) > 0]

    def values(self, arguments: str) -> tuple[str, ...]:
        return (f"{self.name}:{arguments}", *(number(term) for term in arguments.split(",")))

    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        terms = [language.cardinal(int(term)) for term in arguments.split(",")[:-1]]
        return {"terms": language.said.separator.join(terms)}

    def answer(self, language: Language, arguments: str) -> str:
        return language.cardinal(int(arguments.split(",")[-1]))
