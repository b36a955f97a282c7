"""The corpus room: knowledge becomes passages, passages dialogues, dialogues samples (UltraLink, arXiv:2402.04588).

Names resolve when they are first used, so that importing this package loads no client and no model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mezzofanti.lazy import lazy

if TYPE_CHECKING:
    from mezzofanti.corpus.builder import build
    from mezzofanti.corpus.guards import Guard
    from mezzofanti.corpus.recipe import Recipe
    from mezzofanti.corpus.report import BuildReport, Reject
    from mezzofanti.corpus.selection import select
    from mezzofanti.corpus.teachers.base import Reply, Request, Teacher
    from mezzofanti.corpus.teachers.offline import OfflineTeacher
    from mezzofanti.corpus.teachers.openai import OpenAITeacher

_HOMES = {
    "BuildReport": "report",
    "Guard": "guards",
    "OfflineTeacher": "teachers.offline",
    "OpenAITeacher": "teachers.openai",
    "Recipe": "recipe",
    "Reject": "report",
    "Reply": "teachers.base",
    "Request": "teachers.base",
    "Teacher": "teachers.base",
    "build": "builder",
    "select": "selection",
}

__all__ = [
    "BuildReport",
    "Guard",
    "OfflineTeacher",
    "OpenAITeacher",
    "Recipe",
    "Reject",
    "Reply",
    "Request",
    "Teacher",
    "build",
    "select",
]


__getattr__, __dir__ = lazy(__name__, _HOMES)
