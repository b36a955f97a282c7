"""Teach task after task, and measure what was kept. Names resolve on first use; reading a folder needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mezzofanti.lazy import lazy

if TYPE_CHECKING:
    from mezzofanti.continual.learner import Learner
    from mezzofanti.continual.memory import Memory
    from mezzofanti.continual.metrics import AccuracyMatrix
    from mezzofanti.continual.settings import AdapterSettings, TrainingSettings
    from mezzofanti.continual.state import LearnerFolder
    from mezzofanti.continual.stream import Task, TaskStream

__all__ = [
    "AccuracyMatrix",
    "AdapterSettings",
    "Learner",
    "LearnerFolder",
    "Memory",
    "Task",
    "TaskStream",
    "TrainingSettings",
]

_HOMES = {
    "AccuracyMatrix": "metrics",
    "AdapterSettings": "settings",
    "Learner": "learner",
    "LearnerFolder": "state",
    "Memory": "memory",
    "Task": "stream",
    "TaskStream": "stream",
    "TrainingSettings": "settings",
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
