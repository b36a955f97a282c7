"""The seam of a skill: which arguments it has, what a question says of them, and the exact answer."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar

from mezzofanti.corpus.sources.almanac.language import Language
from mezzofanti.corpus.sources.almanac.split import all_taught, is_examined

__all__ = ["Skill"]


class Skill(abc.ABC):
    """Something that can be asked in every language, with one right answer.

    `derivable` is false where the answers are names: whoever was not told them cannot work them out.
    """

    name: ClassVar[str]
    derivable: ClassVar[bool] = True

    @abc.abstractmethod
    def arguments(self) -> Sequence[str]:
        """All canonical arguments, independent of language, in a fixed order."""

    @abc.abstractmethod
    def fields(self, language: Language, arguments: str) -> Mapping[str, str]:
        """What a phrasing's placeholders stand for."""

    @abc.abstractmethod
    def answer(self, language: Language, arguments: str) -> str:
        """The one right answer."""

    def values(self, arguments: str) -> tuple[str, ...]:
        """The values ("kind:arguments") that a row tells; the first, its own, decides if it is examined."""
        return (f"{self.name}:{arguments}",)

    @cached_property
    def taught(self) -> tuple[str, ...]:
        """Arguments of training rows: none of their values is examined."""
        return tuple(a for a in self.arguments() if all_taught(self.values(a)))

    @cached_property
    def examined(self) -> tuple[str, ...]:
        """Arguments of exam rows."""
        return tuple(a for a in self.arguments() if is_examined(self.values(a)[0]))
