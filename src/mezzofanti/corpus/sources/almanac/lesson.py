"""One question of the almanac with its exact answer."""

from __future__ import annotations

from typing import Literal

from mezzofanti.records import Record

__all__ = ["GROUPS", "Group", "Lesson"]

Group = Literal["training", "derivable", "recall", "unseen-phrasing"]

GROUPS: tuple[Group, ...] = ("derivable", "recall", "unseen-phrasing")


class Lesson(Record):
    """A question and its answer, in the language itself.

    `arguments` is canonical and the same in every language ("314", "2031-05-14"); `phrasing` is the index
    of the wording in the language's list, seen wordings first; `group` is "training" or one of `GROUPS`.
    """

    language: str
    skill: str
    arguments: str
    phrasing: int
    question: str
    answer: str
    group: Group

    @property
    def id(self) -> str:
        """Unique over the whole almanac: no two rows share language, skill, arguments and phrasing."""
        return f"{self.language}-{self.skill}-{self.arguments}-{self.phrasing}"
