"""The skills of the almanac, one file a skill or family; `ALL` is their order everywhere."""

from __future__ import annotations

from mezzofanti.corpus.sources.almanac.skills.base import Skill
from mezzofanti.corpus.sources.almanac.skills.cardinal import Cardinal
from mezzofanti.corpus.sources.almanac.skills.date import Date

__all__ = ["ALL", "Skill"]

ALL: dict[str, Skill] = {skill.name: skill for skill in (Cardinal(), Date())}
