"""A learner's folder, read as plain data. Nothing here judges, draws or loads a model.

What may be absent (a running learner has fewer rows; an old one no sample rows) is read as empty, and the page
says so. What is broken, or written by a newer version, is a `DataError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from mezzofanti.errors import ConfigurationError, DataError
from mezzofanti.files import read_json, read_jsonl

__all__ = ["Answer", "Finished", "Reading", "Routed", "SampleRow", "read_learner", "read_learners"]

SCHEMA = 1


def _whole(text: str) -> str:
    """JSON can spell half a surrogate pair; no file, font or browser can take it."""
    return text.encode("utf-8", "replace").decode("utf-8")


_Text = Annotated[str, AfterValidator(_whole)]


class _Row(BaseModel):
    # Unlike `Record`, unknown fields pass: a later version may write more than this page shows.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Answer(_Row):
    """One answered exam question; `score` is in [0, 1]."""

    task: str
    id: str
    prompt: _Text
    reference: _Text
    answer: _Text
    score: float
    group: str = "derivable"


class Finished(_Row):
    """What one finished task cost; `seconds` and `exam_seconds` are wall-clock seconds."""

    task: str
    seconds: float = 0.0
    exam_seconds: float = 0.0
    samples: int = 0
    optimizer_steps: int = 0
    outer_steps: int = 0
    memory_rows: int = 0
    dropped_rows: int = 0
    dropped_memory_rows: int = 0
    learning_rate: float | None = None
    trainable_parameters: int | None = None


class SampleRow(_Row):
    """One row a task was taught from."""

    messages: tuple[dict[str, _Text], ...]
    lineage: dict[str, Any] = {}
    language: str = ""
    skill: str = ""


class Routed(_Row):
    """What the routers of an adapter chose for a few rows of one task and language; `load[router][expert]`."""

    task: str
    language: str = ""
    rows: int = 0
    routing_entropy: float = 0.0
    routing_dead_experts: int | None = None
    load: dict[str, tuple[float, ...]]


class _Matrix(_Row):
    schema_: int = SCHEMA
    method: str
    adapter: str = ""
    seed: int = 0
    tasks: tuple[str, ...]
    questions: tuple[int, ...]
    rows: tuple[tuple[float | None, ...], ...]


_Parsed = TypeVar("_Parsed", bound=_Row)


@dataclass(frozen=True)
class Reading:
    """One learner, as its folder tells it.

    `rows[i][j]` is the score (0..1, or None where not examined) on task j after task i; row 0 is before any
    training. `exams[i]` holds the answers behind `rows[i]`, and is empty where they were not kept. `beyond` names the
    tasks that were left out because other learners do not have them (`read_learners`).
    """

    folder: Path
    method: str
    adapter: str
    seed: int
    tasks: tuple[str, ...]
    questions: tuple[int, ...]
    rows: tuple[tuple[float | None, ...], ...]
    history: tuple[Finished, ...] = ()
    exams: tuple[tuple[Answer, ...], ...] = ()
    samples: dict[str, tuple[SampleRow, ...]] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    routing: tuple[Routed, ...] = ()
    beyond: tuple[str, ...] = ()

    @property
    def done(self) -> int:
        """How many tasks are finished."""
        return max(len(self.rows) - 1, 0)

    @property
    def finished(self) -> bool:
        """Whether every task is learned and examined."""
        return self.done == len(self.tasks)


def read_learners(folders: Sequence[Path]) -> list[Reading]:
    """Read several learners that were taught the same tasks in the same order.

    Where some have further tasks after those of the others, all are cut to the tasks that all have.

    Raises:
        ConfigurationError: no folder is given, or the folders' tasks differ.
        DataError: a folder is not a learner's, or a file in it is broken.
    """
    if not folders:
        raise ConfigurationError("A report needs at least one learner's folder.", cure="Name one.")
    readings = [read_learner(Path(folder)) for folder in folders]
    first = min(readings, key=lambda reading: len(reading.tasks))
    for other in readings:
        if other.tasks[: len(first.tasks)] != first.tasks:
            raise ConfigurationError(
                f"{first.folder} learned {', '.join(first.tasks)}, but {other.folder} {', '.join(other.tasks)}.",
                cure="Compare learners that were taught the same tasks in the same order.",
            )
    return [_cut(reading, len(first.tasks)) for reading in readings]


def _cut(reading: Reading, count: int) -> Reading:
    """The learner as if it had only its first `count` tasks."""
    tasks = reading.tasks[:count]
    if tasks == reading.tasks:
        return reading
    return replace(
        reading,
        tasks=tasks,
        questions=reading.questions[:count],
        rows=tuple(row[:count] for row in reading.rows[: count + 1]),
        history=reading.history[:count],
        exams=tuple(tuple(a for a in exam if a.task in tasks) for exam in reading.exams[: count + 1]),
        samples={task: reading.samples[task] for task in tasks},
        memory={task: reading.memory[task] for task in tasks},
        routing=_routing(reading.folder, count),
        beyond=reading.tasks[count:],
    )


def read_learner(folder: Path) -> Reading:
    """Read one learner's folder.

    Raises:
        DataError: the folder has no matrix.json, or a file in it is broken or of a newer schema.
    """
    path = folder / "matrix.json"
    if not path.is_file():
        raise DataError(
            f"{folder} is not a learner's folder, or nothing was examined in it: there is no matrix.json.",
            cure="Teach it first: mezzo learn RECIPE.",
        )
    matrix = _matrix(path)
    return Reading(
        folder=folder,
        method=matrix.method,
        adapter=matrix.adapter,
        seed=matrix.seed,
        tasks=matrix.tasks,
        questions=matrix.questions,
        rows=matrix.rows,
        history=tuple(_rows(folder / "history.jsonl", Finished)),
        exams=tuple(_exam(folder, index) for index in range(len(matrix.rows))),
        samples={task: _samples(folder, index) for index, task in enumerate(matrix.tasks, 1)},
        memory={task: _memory(folder, index) for index, task in enumerate(matrix.tasks, 1)},
        settings=_settings(folder / "learner.yaml"),
        routing=_routing(folder, len(matrix.rows) - 1),
    )


def _matrix(path: Path) -> _Matrix:
    raw = read_json(path)
    if not isinstance(raw, dict):
        raise DataError(f"{path} does not hold an object.", cure="Mend or remove it.")
    _check_schema(path, raw)
    matrix = _parse(path, raw, _Matrix)
    width = len(matrix.tasks)
    fits = len(matrix.questions) == width and all(len(row) == width for row in matrix.rows)
    if not matrix.rows or not fits or len(matrix.rows) > width + 1:
        raise DataError(f"{path}: rows, tasks and questions do not fit together.", cure="Mend or remove it.")
    return matrix


def _check_schema(path: Path, raw: dict[str, Any]) -> None:
    schema = raw.get("schema", SCHEMA)
    if schema != SCHEMA:
        raise DataError(
            f"{path} has schema {schema}; this version reads {SCHEMA}.", cure="Update mezzofanti."
        )


def _parse(path: Path, raw: Any, kind: type[_Parsed], number: int | None = None) -> _Parsed:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field_name = ".".join(str(part) for part in first["loc"])
        where = f"{path}, row {number}" if number else f"{path}"
        raise DataError(f"{where}: {field_name}: {first['msg']}.", cure="Mend or remove it.") from None


def _rows(path: Path, kind: type[_Parsed]) -> list[_Parsed]:
    if not path.is_file():
        return []
    return [_parse(path, row, kind, number) for number, row in enumerate(read_jsonl(path, torn_tail=True), 1)]


def _task_folder(folder: Path, index: int) -> Path:
    """The folder of task `index`; a task's own name may be spelled otherwise in its folder's name."""
    found = sorted((folder / "tasks").glob(f"{index:02d}-*"))
    return found[0] if found else folder / "tasks" / f"{index:02d}-absent"


def _exam(folder: Path, index: int) -> tuple[Answer, ...]:
    return tuple(_rows(_task_folder(folder, index) / "answers.jsonl", Answer))


def _samples(folder: Path, index: int) -> tuple[SampleRow, ...]:
    return tuple(_rows(_task_folder(folder, index) / "sample-rows.jsonl", SampleRow))


def _memory(folder: Path, index: int) -> int:
    found = sorted((folder / "memory").glob(f"{index:02d}-*.jsonl"))
    return sum(1 for _ in read_jsonl(found[0], torn_tail=True)) if found else 0


def _routing(folder: Path, index: int) -> tuple[Routed, ...]:
    """What the routers chose after task `index`; adapters without routers wrote nothing."""
    path = _task_folder(folder, index) / "routing.json"
    if not path.is_file():
        return ()
    raw = read_json(path)
    if not isinstance(raw, dict) or not isinstance(raw.get("groups"), list):
        raise DataError(f"{path} does not hold groups.", cure="Mend or remove it.")
    _check_schema(path, raw)
    groups = [_parse(path, row, Routed, number) for number, row in enumerate(raw["groups"], 1)]
    return tuple(group for group in groups if group.load)


def _settings(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        settings = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise DataError(f"{path} is not valid YAML ({error}).", cure="Mend or remove it.") from None
    if not isinstance(settings, dict):
        raise DataError(f"{path} does not hold settings.", cure="Mend or remove it.")
    _check_schema(path, settings)
    return settings
