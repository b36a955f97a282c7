"""Rows of a user's own that cannot be read: one line that names the file, the row and the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from mezzofanti.errors import DataError
from mezzofanti.files import append_jsonl, read_jsonl
from mezzofanti.records import read_samples

GOOD = '{"messages": [{"role": "user", "content": "où ?"}, {"role": "assistant", "content": "là"}]}\n'


@pytest.mark.parametrize("row", ["5", "null", '"messages"', "[]", "true"])
def test_a_row_that_is_no_object_is_named(row: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(f"{GOOD}{row}\n", "utf-8")
    with pytest.raises(DataError, match=r"mine\.jsonl, row 2: not an object\. Each row needs \{"):
        read_samples(path)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_file_in_another_encoding_is_named_with_its_line(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes(f'{{"messages": []}}\n{GOOD}'.encode(encoding))
    line = {"latin-1": 2, "utf-16": 1}[encoding]
    with pytest.raises(
        DataError, match=rf"mine\.jsonl, line {line}: not UTF-8 \(.*\)\. Save the file as UTF-8\."
    ):
        read_samples(path) if encoding == "utf-16" else list(read_jsonl(path))


def test_a_byte_order_mark_and_windows_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_bytes((GOOD * 2).replace("\n", "\r\n").encode("utf-8-sig"))
    assert [row.messages[1].content for row in read_samples(path)] == ["là", "là"]


def test_a_last_line_cut_within_a_character_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    append_jsonl(path, {"said": "là"})
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: whole.index("à".encode()) + 1])
    assert list(read_jsonl(path, torn_tail=True)) == [{"said": "là"}]
    with pytest.raises(DataError, match="line 2: not UTF-8"):
        list(read_jsonl(path))


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing", GOOD.encode()])
def test_a_broken_parquet_file_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"mine\.parquet is not Parquet \(.+\)\. Write it anew") as caught:
        read_samples(path)
    assert "\n" not in str(caught.value)
