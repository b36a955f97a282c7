"""Which values are taught and which are only examined: a stable hash decides, the same for every language.

A value is a number, a date, a name: "number:314" is one value whether it is spelled, counted or added up, so
no lesson of any skill or language spells a number that an exam of numbers asks for.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from functools import cache

__all__ = ["EXAM_SHARE", "all_taught", "is_examined", "number", "seeded"]

EXAM_SHARE = 0.25

# With this salt 314 and 2031-05-14, which the pages of the project show, are examined.
_SALT = "almanac-11"

# The words every other number is made of (which no model could derive), and those that every clock says.
_ALWAYS_TAUGHT = frozenset([*range(21), *range(25, 100, 5), *range(100, 1000, 100)])


def number(value: int | str) -> str:
    """Name a number as a value."""
    return f"number:{value}"


@cache
def is_examined(value: str) -> bool:
    """Say whether `value` ("kind:arguments") is kept for exams; about `EXAM_SHARE` of all values are."""
    kind, _, arguments = value.partition(":")
    if kind == "number" and int(arguments) in _ALWAYS_TAUGHT:
        return False
    digest = hashlib.sha256(f"{_SALT}/{value}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < EXAM_SHARE * 2**64


def all_taught(values: Iterable[str]) -> bool:
    """Say whether none of `values` is examined."""
    return not any(map(is_examined, values))


def seeded(*parts: object) -> random.Random:
    """Return a stream of random numbers that `parts` alone decide, in every process."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))
