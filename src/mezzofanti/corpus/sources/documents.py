"""Passages from a Parquet or JSONL file: one row an article, with `title` and `text`, such as Wikipedia leads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mezzofanti.corpus.recipe import DocumentSource
from mezzofanti.corpus.report import SourceCount
from mezzofanti.corpus.selection import draw
from mezzofanti.corpus.text import sentences
from mezzofanti.errors import DataError, nearest
from mezzofanti.files import read_jsonl
from mezzofanti.records import Passage

__all__ = ["Document", "pack", "read_documents"]


class Document(Passage):
    """A passage with a short definition of its subject beside it."""

    description: str = ""


def read_documents(settings: DocumentSource, language: str, seed: int) -> tuple[list[Document], SourceCount]:
    """Return `settings.count` documents of a language, drawn by `seed`, and the count of what was left out.

    `DataError` names the file where it is absent, is no Parquet or JSONL, has no rows, or lacks a column.
    """
    path = Path(settings.path.replace("{language}", language))
    rows = _rows(path)
    left_out: Counter[str] = Counter()
    found: dict[str, Document] = {}
    for row in rows:
        if reason := _unfit(row, settings, language, found):
            left_out[reason] += 1
        else:
            for document in _documents(row, settings, language):
                found[document.id] = document
    if not found:
        raise DataError(
            f"{path}: none of {len(rows)} rows qualifies ({dict(left_out)}).", cure="Loosen the source."
        )
    documents = list(found.values())
    count = settings.count or len(documents)
    taken = (
        draw(documents, count, seed=seed, key=lambda document: document.id) if settings.count else documents
    )
    tally = SourceCount(
        source=settings.source,
        language=language,
        rows=len(rows),
        left_out=dict(sorted(left_out.items())),
        qualified=len(documents),
        taken=len(taken),
    )
    return taken, tally


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise DataError(
            f"There is no file {path}.", cure="Check 'path' in the recipe, or bring the data there."
        )
    if path.suffix == ".parquet":
        try:
            rows: list[Any] = pq.read_table(path).to_pylist()
        except pa.ArrowException as error:
            raise DataError(
                f"{path} is not Parquet ({str(error).splitlines()[0]}).", cure="Mend it."
            ) from None
    elif path.suffix == ".jsonl":
        rows = list(read_jsonl(path))
    else:
        raise DataError(
            f"{path}: unknown kind of file {path.suffix!r}.", cure="Give a .parquet or a .jsonl file."
        )
    if not rows:
        raise DataError(f"{path} has no rows.", cure="Give a file with rows that have 'title' and 'text'.")
    for number, row in enumerate(rows, 1):
        _demand_columns(row, path, number)
    return rows


def _demand_columns(row: Any, path: Path, number: int) -> None:
    if not isinstance(row, dict):
        raise DataError(
            f"{path}, row {number}: not an object.", cure='Write {"title": ..., "text": ...} on each line.'
        )
    for column in ("title", "text"):
        if column not in row:
            known = nearest(column, [str(name) for name in row])
            raise DataError(
                f"{path}, row {number}: there is no {column!r} field.", cure=f"Rename it. {known}"
            )


def _field(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


def _unfit(
    row: dict[str, Any], settings: DocumentSource, language: str, found: dict[str, Document]
) -> str | None:
    """Say why a row is left out, or None."""
    text = _field(row, "text")
    if not text:
        return "empty"
    if _field(row, "language") not in ("", language):
        return "other language"
    if _field(row, "topic") in settings.leave_out_topics:
        return "topic left out"
    if len(text) < settings.least_characters:
        return "too short"
    return "title seen before" if _name(language, _field(row, "title"), 1) in found else None


def _name(language: str, title: str, part: int) -> str:
    return f"{language}/{title}" + (f" ({part})" if part > 1 else "")


def _documents(row: dict[str, Any], settings: DocumentSource, language: str) -> Iterator[Document]:
    for part, text in enumerate(pack(_field(row, "text"), settings.most_characters), 1):
        yield Document(
            id=_name(language, _field(row, "title"), part),
            language=language,
            title=_field(row, "title"),
            text=text,
            topic=_field(row, "topic"),
            source=settings.source,
            license=settings.license,
            url=_field(row, "url"),
            revision=_field(row, "revision"),
            description=_field(row, "description").rstrip("."),
        )


def pack(text: str, most: int) -> list[str]:
    """Cut a text between sentences into parts of at most `most` characters; a longer sentence stays whole."""
    if len(text) <= most:
        return [text]
    parts: list[str] = []
    for sentence in sentences(text):
        if parts and len(parts[-1]) + 1 + len(sentence) <= most:
            parts[-1] = f"{parts[-1]} {sentence}"
        else:
            parts.append(sentence)
    return parts
