"""What flows through the house: a passage becomes a dialogue, a dialogue a sample.

One record, one Parquet schema, one lineage: a sample always says which text, licence and teacher it came from.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from mezzofanti.errors import DataError
from mezzofanti.files import read_jsonl

__all__ = ["SCHEMA", "Lineage", "Message", "Passage", "Record", "Sample", "read_samples", "write_samples"]


class Record(BaseModel):
    """Frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Record):
    """One turn of a conversation, as chat templates take it."""

    role: Literal["system", "user", "assistant"]
    content: str


class Passage(Record):
    """A short text that someone may be taught from."""

    id: str
    language: str
    title: str
    text: str
    topic: str = ""
    source: str = ""
    license: str = ""
    url: str = ""
    revision: str = ""


class Lineage(Record):
    """Where a sample comes from. `template` is true where a program, not a person or a model, wrote the text."""

    source: str
    license: str = ""
    url: str = ""
    passage_id: str = ""
    parent_id: str = ""
    teacher: str = ""
    prompt: str = ""
    template: bool = False


class Sample(Record):
    """One conversation to learn from, in the `messages` form that TRL trains on."""

    id: str
    language: str
    skill: str
    messages: tuple[Message, ...]
    lineage: Lineage


_TEXT = pa.string()
SCHEMA = pa.schema(
    [
        ("id", _TEXT),
        ("language", _TEXT),
        ("skill", _TEXT),
        ("messages", pa.list_(pa.struct([("role", _TEXT), ("content", _TEXT)]))),
        (
            "lineage",
            pa.struct([(name, pa.bool_() if name == "template" else _TEXT) for name in Lineage.model_fields]),
        ),
    ],
    metadata={"mezzofanti.schema": "1"},
)


def write_samples(path: Path | str, samples: Iterable[Sample]) -> None:
    """Write samples as Parquet with `SCHEMA`, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([sample.model_dump(mode="json") for sample in samples], schema=SCHEMA)
    temporary = path.with_name(f".{path.name}.tmp")
    pq.write_table(table, temporary)
    temporary.replace(path)


def read_samples(path: Path | str) -> list[Sample]:
    """Read samples from Parquet or JSONL. Rows of a user's own need `messages` only; the rest is filled in.

    `DataError` names the file, the row and what is wrong with it.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no file {path}.", cure="Check the path.")
    if path.suffix == ".parquet":
        rows: Iterable[Any] = _parquet_rows(path)
    else:
        rows = read_jsonl(path)
    return [_sample(row, path, number) for number, row in enumerate(rows, 1)]


def _parquet_rows(path: Path) -> list[Any]:
    try:
        rows: list[Any] = pq.read_table(path).to_pylist()
    except (pa.ArrowException, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(
            f"{path} is not Parquet ({reason}).", cure="Write it anew, or give JSON Lines as .jsonl."
        ) from None
    return rows


def _sample(row: Any, path: Path, number: int) -> Sample:
    if not isinstance(row, dict) or "messages" not in row:
        what = "there is no 'messages' field" if isinstance(row, dict) else "not an object"
        raise DataError(
            f"{path}, row {number}: {what}.",
            cure='Each row needs {"messages": [{"role": "user", "content": ...}, {"role": "assistant", ...}]}.',
        )
    filled = {"id": f"{path.stem}-{number}", "language": "", "skill": "", "lineage": {"source": path.name}}
    try:
        return Sample.model_validate(
            {**filled, **{k: row[k] for k in Sample.model_fields if row.get(k) is not None}}
        )
    except ValueError as error:
        first = ": ".join(line.strip() for line in str(error).split("\n")[1:3])
        raise DataError(f"{path}, row {number}: {first}.", cure="Mend the row.") from None
