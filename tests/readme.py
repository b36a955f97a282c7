"""What a page of documentation promises: its Python blocks, its commands, the data files it names."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

BASES = ("HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2-135m", "Qwen/Qwen3-0.6B")
"""Names of bases that a page may use; the test puts a tiny base in their place."""

_BLOCK = re.compile(r"(?P<before>[^\n]*)\n+```(?P<kind>\w*)\n(?P<body>.*?)\n```", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block. It is to be run where the line before it is `<!-- run -->`."""

    page: str
    kind: str
    body: str
    runs: bool


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    found = _BLOCK.finditer("\n" + page.read_text("utf-8"))
    return [
        Block(page.name, one["kind"], one["body"], one["before"].strip() == "<!-- run -->") for one in found
    ]


def with_tiny_base(code: str, base: Path) -> str:
    """The same code on the tiny base."""
    for name in BASES:
        code = code.replace(f'"{name}"', repr(str(base)))
    return code


def write_data_files(code: str, folder: Path) -> None:
    """Write eight rows in `messages` form for every JSONL file that the code reads."""
    row = {"messages": [{"role": "user", "content": "Say five."}, {"role": "assistant", "content": "cinq"}]}
    for name in re.findall(r"[\"']([\w./-]+\.jsonl)[\"']", code):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for _ in range(8)))


def commands(block: Block, program: str) -> list[list[str]]:
    """Return the words of each line of a shell block that starts with `program`, comments left out."""
    lines = [line.split("#")[0].removeprefix("$ ").split() for line in block.body.splitlines()]
    return [words for words in lines if words and words[0] == program]
