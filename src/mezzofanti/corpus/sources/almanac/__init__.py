"""The almanac: knowledge that needs no network, from CLDR, number grammars and the calendar, answers exact.

    almanac = Almanac("fr")
    almanac.lessons(skills=("cardinal", "date"), count=640, seed=0)   # rows to learn from
    almanac.exam(skills=("cardinal", "date"), count=120, seed=0)      # values never taught
    almanac.passages(count=30, seed=0)                                # short articles, without examined values

All its text is made from templates; what is asked and what is true is the same in every language.
"""

from __future__ import annotations

from mezzofanti.corpus.sources.almanac.book import LANGUAGES, SKILLS, Almanac
from mezzofanti.corpus.sources.almanac.lesson import GROUPS, Lesson
from mezzofanti.corpus.sources.almanac.passages import Fact
from mezzofanti.corpus.sources.almanac.topics import TOPICS

__all__ = ["GROUPS", "LANGUAGES", "SKILLS", "TOPICS", "Almanac", "Fact", "Lesson"]
