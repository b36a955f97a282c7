"""The Long Sequence benchmark: fifteen text classification tasks, learned one after another.

Instructions, templates, labels and orders are those of Recurrent-KIF's code (WoodScene/Recurrent_KIF,
`utils/dataset_order.py`, `data_longsequence/`): orders 1 to 3 are the fifteen tasks, orders 4 to 6 the standard
benchmark of four. A row is {"instruction", "input", "output"}; the prompt is instruction + input.

For five tasks the published development rows are test rows as well, so nothing may be chosen on them: their
validation rows are cut out of the training rows instead (a tenth, by a hash of the prompt), and never trained on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mezzofanti.errors import ConfigurationError, DataError, nearest
from mezzofanti.evaluation.questions import Question
from mezzofanti.evaluation.suites.drawing import draw, share
from mezzofanti.files import read_jsonl
from mezzofanti.records import Lineage, Message, Record, Sample

__all__ = ["LEAKY", "ORDERS", "TASKS", "load_task", "load_validation", "order"]

ORDERS: dict[int, tuple[str, ...]] = {
    number: tuple(names.split())
    for number, names in {
        1: "mnli cb wic copa qqp boolqa rte imdb yelp amazon sst-2 dbpedia agnews multirc yahoo",
        2: "multirc boolqa wic mnli cb copa qqp rte imdb sst-2 dbpedia agnews yelp amazon yahoo",
        3: "yelp amazon mnli cb copa qqp rte imdb sst-2 dbpedia agnews yahoo multirc boolqa wic",
        4: "dbpedia amazon yahoo agnews",
        5: "dbpedia amazon agnews yahoo",
        6: "yahoo amazon agnews dbpedia",
    }.items()
}
TASKS = tuple(sorted(ORDERS[1]))
LEAKY = ("cb", "copa", "rte", "sst-2", "wic")
VALIDATION_SHARE = 0.1

_SOURCE = "Long Sequence benchmark"
_URL = "https://github.com/WoodScene/Recurrent_KIF"
_LICENSE = "none stated by the benchmark; the underlying data sets keep their own"


class _Row(Record):
    number: int
    prompt: str
    label: str


def order(number: int) -> tuple[str, ...]:
    """Return the task names of order 1 to 6; `ConfigurationError` for any other number."""
    if number not in ORDERS:
        raise ConfigurationError(
            f"There is no task order {number!r}.", cure="Orders 1 to 3 have fifteen tasks, 4 to 6 have four."
        )
    return ORDERS[number]


def load_task(
    folder: Path | str,
    name: str,
    *,
    train_rows: int | None = None,
    test_rows: int | None = None,
    seed: int = 0,
    max_characters: int | None = None,
) -> tuple[list[Sample], list[Question]]:
    """Return the training samples and the exam of one task.

    `folder` holds one folder a task. `seed` chooses and orders the training rows; the exam is the same for every
    seed, so that runs can be compared question by question. Rows whose prompt is longer than `max_characters`
    are left out, and their number is said. Raises `ConfigurationError` for an unknown task and `DataError`
    where the data is absent or a row is broken.
    """
    train = [row for row in _rows(folder, name, "train") if not _held_out(name, row)]
    chosen = _draw(train, train_rows, f"train {seed}", max_characters, f"{name}, train")
    asked = _draw(_rows(folder, name, "test"), test_rows, "test", max_characters, f"{name}, test")
    return [_sample(name, row) for row in chosen], [_question(name, "test", row) for row in asked]


def load_validation(
    folder: Path | str, name: str, *, rows: int | None = None, max_characters: int | None = None
) -> list[Question]:
    """Return questions to choose settings on: never test rows, never rows that `load_task` trains on."""
    if name in LEAKY:
        split, held = "train", [row for row in _rows(folder, name, "train") if _held_out(name, row)]
    else:
        split, held = "dev", _rows(folder, name, "dev")
    return [
        _question(name, split, row) for row in _draw(held, rows, "dev", max_characters, f"{name}, validation")
    ]


def _held_out(name: str, row: _Row) -> bool:
    return name in LEAKY and share(f"validation\n{row.prompt}") < VALIDATION_SHARE


def _draw(
    rows: list[_Row], count: int | None, salt: str, max_characters: int | None, what: str
) -> list[_Row]:
    return draw(
        rows, lambda row: row.prompt, count=count, salt=salt, max_characters=max_characters, what=what
    )


def _rows(folder: Path | str, name: str, split: str) -> list[_Row]:
    if name not in TASKS:
        raise ConfigurationError(f"There is no Long Sequence task {name!r}.", cure=nearest(name, TASKS))
    path = Path(folder) / name / f"{split}.jsonl"
    if not path.is_file():
        raise DataError(
            f"The Long Sequence data is not in {folder}: there is no {path}.",
            cure=f"Put {name}/train.jsonl, dev.jsonl and test.jsonl there; they are made from {_URL}.",
        )
    rows = [_read(row, path, number) for number, row in enumerate(read_jsonl(path), 1)]
    if not rows:
        raise DataError(f"{path} has no rows.", cure="Make the file again.")
    return rows


def _read(row: Any, path: Path, number: int) -> _Row:
    found = row if isinstance(row, dict) else {}
    instruction, text, label = (found.get(field) for field in ("instruction", "input", "output"))
    if not (
        isinstance(instruction, str) and isinstance(text, str) and isinstance(label, str) and label.strip()
    ):
        raise DataError(
            f"{path}, row {number}: not a row of the benchmark.",
            cure='Each row is {"instruction": text, "input": text, "output": the label}.',
        )
    return _Row(number=number, prompt=instruction + text, label=label)


def _sample(name: str, row: _Row) -> Sample:
    return Sample(
        id=f"long-sequence/{name}/train/{row.number}",
        language="en",
        skill=name,
        messages=(Message(role="user", content=row.prompt), Message(role="assistant", content=row.label)),
        lineage=Lineage(source=f"{_SOURCE}, {name}", license=_LICENSE, url=_URL),
    )


def _question(name: str, split: str, row: _Row) -> Question:
    identity = f"long-sequence/{name}/{split}/{row.number}"
    return Question(id=identity, prompt=row.prompt, reference=row.label, scorer="label", language="en")
