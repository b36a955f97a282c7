"""One exam question: what is asked, what is right, and how an answer is scored."""

from __future__ import annotations

from typing import Literal

from mezzofanti.records import Record

__all__ = ["Question"]


class Question(Record):
    """A question put to a model as one user turn.

    `group` separates what must not be averaged together: "derivable" (a rule gives the answer), "recall"
    (a name no rule gives), "unseen-phrasing" (asked in words no lesson used).
    """

    id: str
    prompt: str
    reference: str
    scorer: Literal["exact", "label", "number", "chrf"] = "exact"
    group: str = "derivable"
    language: str = ""
