"""Which values are taught and which are only examined: a stable hash decides, the same for every language.

A value is a number, a date, a name: "number:314" is one value whether it is spelled, counted or added up, so
no lesson of any skill or language spells a number that an exam of numbers asks for.
"""

from __future__ import annotations

import hashlib
from functools import cache

__all__ = ["EXAM_SHARE", "is_examined"]

EXAM_SHARE = 0.25

# With this salt 314 and 2031-05-14, which the pages of the project show, are examined.
_SALT = "almanac-11"

# The words every other number is made of. No model could derive them, so they are always taught.
_ALPHABET = frozenset([*range(21), 25, *range(30, 100, 10), *range(100, 1000, 100)])


@cache
def is_examined(value: str) -> bool:
    """Say whether `value` ("kind:arguments") is kept for exams; about `EXAM_SHARE` of all values are."""
    kind, _, arguments = value.partition(":")
    if kind == "number" and int(arguments) in _ALPHABET:
        return False
    digest = hashlib.sha256(f"{_SALT}/{value}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < EXAM_SHARE * 2**64
