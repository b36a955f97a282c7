"""Files that are whole or absent: each is written under a temporary name, then renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mezzofanti.errors import DataError

__all__ = [
    "append_jsonl",
    "read_json",
    "read_jsonl",
    "write_bytes",
    "write_json",
    "write_jsonl",
    "write_text",
]


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write `content` to `path` so that a crash leaves the old file or the new one, never half of one."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


def write_text(path: Path | str, content: str) -> None:
    """Write text as UTF-8, whole or not at all."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_jsonl(path: Path | str, rows: Iterable[Any]) -> None:
    """Write one JSON value a line, whole or not at all."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def append_jsonl(path: Path | str, row: Any) -> None:
    """Add one line to a journal. A torn last line is what `read_jsonl(torn_tail=True)` forgives."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read one JSON file; `DataError` names it where it is absent or broken."""
    try:
        return json.loads(Path(path).read_text("utf-8"))
    except FileNotFoundError:
        raise DataError(f"There is no file {path}.", cure="Check the path.") from None
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}).", cure="Mend or remove it.") from None


def read_jsonl(path: Path | str, *, torn_tail: bool = False) -> Iterator[Any]:
    """Yield the rows of a JSON Lines file; with `torn_tail` a last line cut by a crash is left out.

    `DataError` names the file and the line that is not JSON, or not UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no file {path}.", cure="Check the path.")
    # bytes, line by line: a crash may cut the last character in two
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except ValueError as error:
            if torn_tail and number == len(lines):
                return
            raise _broken(error, f"{path}, line {number}") from None
        yield row


def _broken(error: ValueError, where: str) -> DataError:
    if isinstance(error, UnicodeDecodeError):
        return DataError(f"{where}: not UTF-8 ({error.reason}).", cure="Save the file as UTF-8.")
    return DataError(f"{where}: not valid JSON ({error}).", cure="Mend or remove the line.")
