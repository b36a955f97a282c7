"""Guards over what a reply claims: numbers and addresses that its material does not hold."""

from __future__ import annotations

import re

from mezzofanti.corpus.guards.base import Candidate
from mezzofanti.corpus.text import numbers

__all__ = ["ForeignLink", "NumbersGrounded", "NumbersKept"]


class NumbersKept:
    """A translation has exactly the numbers of its original, by value, as often."""

    name = "numbers-changed"

    def check(self, candidate: Candidate) -> str | None:
        if candidate.role != "translation":
            return None
        wanted = numbers(candidate.original, candidate.original_language)
        found = numbers(candidate.text, candidate.language)
        lost, added = wanted - found, found - wanted
        if not lost and not added:
            return None
        return f"lost {sorted(lost.elements())}, added {sorted(added.elements())}"


class NumbersGrounded:
    """An answer names no number that neither the passage nor the conversation holds."""

    name = "number-not-in-the-passage"
    _LIST_MARK = re.compile(r"^\s*\d+[.)]\s", re.MULTILINE)

    def check(self, candidate: Candidate) -> str | None:
        if candidate.role != "answer" or not candidate.passage:
            return None
        known: set[str] = set()
        for text in (candidate.passage, candidate.question, *candidate.history):
            known.update(numbers(text, candidate.language))
        found = numbers(self._LIST_MARK.sub("", candidate.text), candidate.language)
        strange = sorted(set(found) - known)
        return f"{', '.join(strange)}" if strange else None


class ForeignLink:
    """The reply names a web or mail address that the material does not hold."""

    name = "foreign-link"
    _LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+|[\w.+-]+@[\w-]+\.\w+", re.IGNORECASE)

    def check(self, candidate: Candidate) -> str | None:
        material = " ".join((candidate.passage, candidate.original, candidate.question, *candidate.history))
        strange = [link for link in self._LINK.findall(candidate.text) if link not in material]
        return strange[0] if strange else None
