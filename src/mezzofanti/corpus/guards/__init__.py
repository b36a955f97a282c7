"""Guards decide whether a teacher's reply may become training data. Each is one class with one method.

A guard returns None, or says what is wrong; its `name` is the reason that rejects are counted by.
None of them asks a model: the same reply is always judged the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from mezzofanti.corpus.guards.base import Candidate, Guard, Role
from mezzofanti.corpus.guards.conduct import Injection, Leak, MetaTalk, Refusal
from mezzofanti.corpus.guards.faith import ForeignLink, NumbersGrounded, NumbersKept
from mezzofanti.corpus.guards.form import Echo, Empty, LengthRatio, QuestionShape, Repetition
from mezzofanti.corpus.guards.language import Language, Script
from mezzofanti.corpus.recipe import GuardSettings

__all__ = ["Candidate", "Guard", "first_objection", "guards_for"]


def guards_for(role: Role, settings: GuardSettings) -> tuple[Guard, ...]:
    """Return the guards of a role, cheapest and plainest first: the first objection is the one that is reported."""
    common: tuple[Guard, ...] = (
        Empty(settings.least_answer_characters),
        Refusal(),
        Leak(),
        Script(),
        Language(settings.least_language_probability),
        Injection(),
        ForeignLink(),
        Echo(settings.most_echo),
        Repetition(),
    )
    own: dict[Role, tuple[Guard, ...]] = {
        "question": (QuestionShape(), MetaTalk()),
        "answer": (MetaTalk(), *([NumbersGrounded()] if settings.grounded_numbers else [])),
        "translation": (NumbersKept(), LengthRatio(settings.least_ratio, settings.most_ratio)),
    }
    return common + own[role]


def first_objection(candidate: Candidate, guards: Iterable[Guard]) -> tuple[str, str] | None:
    """Return (reason, detail) of the first guard that objects, or None."""
    for guard in guards:
        if detail := guard.check(candidate):
            return guard.name, detail
    return None
