"""One exam question: what is asked, what is right, and how an answer is scored."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from mezzofanti.records import Record

__all__ = ["Question", "Spoken"]


class Spoken(Record):
    """Something asked, with a system turn before it where `system` is not empty."""

    system: str = ""

    @model_serializer(mode="wrap")
    def _without_silence(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # an exam without system turns is written, and fingerprinted, as it was before there were any
        written: dict[str, Any] = write(self)
        return written if self.system else {key: written[key] for key in written if key != "system"}


class Question(Spoken):
    """A question put to a model as one user turn, after the turn `system` where there is one.

    `group` separates what must not be averaged together: "derivable" (a rule gives the answer), "recall"
    (a name no rule gives), "unseen-phrasing" (asked in words no lesson used).
    """

    id: str
    prompt: str
    reference: str
    scorer: Literal["exact", "label", "number", "chrf"] = "exact"
    group: str = "derivable"
    language: str = ""
