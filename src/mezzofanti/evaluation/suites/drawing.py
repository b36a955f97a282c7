"""Which rows a task takes: the same rows on every machine, more of them where more are asked for.

Rows are ordered by a hash, not by a random generator, so that the first 100 of a draw are the first 100 of a
draw of 500, and neither the version of Python nor the order of the file matters.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from mezzofanti.errors import ConfigurationError

__all__ = ["draw", "share"]

Row = TypeVar("Row")
logger = logging.getLogger(__name__)


def share(text: str) -> float:
    """Return a number in [0, 1) that depends on `text` alone: the share of all texts that come before it."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8"), digest_size=8).digest(), "big") / 2**64


def draw(
    rows: Sequence[Row],
    text: Callable[[Row], str],
    *,
    count: int | None,
    salt: str,
    max_characters: int | None,
    what: str,
) -> list[Row]:
    """Return `count` rows (all where None) whose `text` has at most `max_characters`, in the order of `salt`.

    What is left out, and what is missing for `count`, is said as a warning that begins with `what`.
    Raises `ConfigurationError` where a number is negative or no row is short enough.
    """
    if (count is not None and count < 0) or (max_characters is not None and max_characters < 1):
        raise ConfigurationError(
            f"{what}: {count} rows of at most {max_characters} characters cannot be drawn.",
            cure="Ask for 0 rows or more, and for 1 character or more.",
        )
    short = [row for row in rows if max_characters is None or len(text(row)) <= max_characters]
    if rows and not short and count != 0:
        raise ConfigurationError(
            f"{what}: none of {len(rows)} rows has at most {max_characters} characters.",
            cure=f"Set max_characters to {min(len(text(row)) for row in rows)} or more.",
        )
    if len(short) < len(rows):
        left_out = len(rows) - len(short)
        logger.warning("%s: %d of %d rows left out: too long.", what, left_out, len(rows))
    if count is not None and count > len(short):
        logger.warning("%s: %d rows asked for, %d there are.", what, count, len(short))
    return sorted(short, key=lambda row: share(f"{salt}\n{text(row)}"))[:count]
