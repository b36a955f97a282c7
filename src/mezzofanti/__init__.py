"""Keep teaching an open language model: new languages and new tasks, one after another, and measure what was kept.

    from mezzofanti import Learner, RecurrentKIF, Task

    learner = Learner.open("learner/", base="smollm2-135m", method=RecurrentKIF())
    learner.learn(Task("french", train=..., test=...))
    learner.matrix.bwt

The names below are loaded when they are first used: `import mezzofanti` alone loads no torch. What they are is said in
their rooms: `mezzofanti.corpus`, `mezzofanti.adapters`, `mezzofanti.continual`, `mezzofanti.evaluation`,
`mezzofanti.report`. `mezzofanti.curvature` is a numerical library of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mezzofanti.lazy import lazy

if TYPE_CHECKING:
    from mezzofanti.adapters import MaloraConfig, MoloraConfig
    from mezzofanti.continual import AccuracyMatrix, Learner, Memory, Task, TaskStream
    from mezzofanti.continual.methods import Joint, RecurrentKIF, Replay, Sequential
    from mezzofanti.corpus import OfflineTeacher, OpenAITeacher, build
    from mezzofanti.errors import MezzofantiError
    from mezzofanti.evaluation.questions import Question
    from mezzofanti.records import Message, Passage, Sample

    __version__: str

_HOMES = {
    "AccuracyMatrix": "continual",
    "Joint": "continual.methods",
    "Learner": "continual",
    "MaloraConfig": "adapters",
    "Memory": "continual",
    "Message": "records",
    "MezzofantiError": "errors",
    "MoloraConfig": "adapters",
    "OfflineTeacher": "corpus",
    "OpenAITeacher": "corpus",
    "Passage": "records",
    "Question": "evaluation.questions",
    "RecurrentKIF": "continual.methods",
    "Replay": "continual.methods",
    "Sample": "records",
    "Sequential": "continual.methods",
    "Task": "continual",
    "TaskStream": "continual",
    "build": "corpus",
}

__all__ = [
    "AccuracyMatrix",
    "Joint",
    "Learner",
    "MaloraConfig",
    "Memory",
    "Message",
    "MezzofantiError",
    "MoloraConfig",
    "OfflineTeacher",
    "OpenAITeacher",
    "Passage",
    "Question",
    "RecurrentKIF",
    "Replay",
    "Sample",
    "Sequential",
    "Task",
    "TaskStream",
    "__version__",
    "build",
]


_lazily, __dir__ = lazy(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("mezzofanti")
    return _lazily(name)
