"""README and docs promise what works: code parses, its imports resolve, marked blocks run, commands exist."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from readme import Block, blocks, commands, with_tiny_base, write_data_files

ROOT = Path(__file__).parents[1]
MIXTURES = ("malora", "molora")
SHELL = ("", "sh", "bash", "console")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def all_blocks(*kinds: str) -> list[Block]:
    return [block for page in PAGES if page.exists() for block in blocks(page) if block.kind in kinds]


def test_python_blocks_parse_and_their_imports_resolve() -> None:
    for block in all_blocks("python", "py"):
        for node in ast.walk(ast.parse(block.body, filename=block.page)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "mezzofanti":
                exec(compile(ast.unparse(node), block.page, "exec"), {})


RUNNABLE = [block for block in all_blocks("python", "py") if block.runs]


@pytest.mark.parametrize("block", RUNNABLE, ids=[f"{i}-{block.page}" for i, block in enumerate(RUNNABLE)])
def test_a_marked_block_runs(block: Block, tmp_path: Path, tiny_base: Path) -> None:
    code = with_tiny_base(block.body, tiny_base)
    write_data_files(code, tmp_path)
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert result.returncode == 0, f"{block.page}:\n{code}\n{result.stderr}"
    nameless = sorted(path.name for path in tmp_path.rglob("*-task-*.jsonl"))
    assert nameless == [], f"{block.page}: without task_name a second run meets a memory of itself"


def test_make_targets_exist() -> None:
    told = subprocess.run(
        ["make", "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    known = {line.split()[1] for line in told.splitlines() if line.startswith("  make ")}
    named = {words[1] for block in all_blocks(*SHELL) for words in commands(block, "make") if words[1:]}
    assert {target for target in named if "=" not in target and not target.startswith("-")} <= known


def test_mezzo_commands_exist() -> None:
    program = Path(sys.executable).parent / "mezzo"
    named = {
        tuple(word for word in words[1:3] if word.isalpha() and word.islower())
        for block in all_blocks(*SHELL)
        for words in commands(block, "mezzo")
    }
    for command in sorted(name for name in named if name):
        tried = [[*command, "--help"], [command[0], "--help"]]
        statuses = [subprocess.run([program, *words], capture_output=True).returncode for words in tried]
        assert 0 in statuses, f"mezzo {' '.join(command)}"


def test_what_a_page_folds_it_has_taught_before_as_a_mixture() -> None:
    folding = set()
    for page in PAGES:
        taught = set()
        for words in [words for block in blocks(page) for words in commands(block, "mezzo")]:
            match words:
                case [_, "learn", source, *_] if source.endswith(".yaml"):
                    adapter = yaml.safe_load((ROOT / source).read_text("utf-8")).get("adapter", {})
                    if adapter.get("type") in MIXTURES:
                        taught.add(f"learners/{Path(source).stem}")
                case [_, "fold", source, *_] if source.startswith("learners/"):
                    assert source in taught, f"{page.name}: {' '.join(words)}"
                    folding.add(page.name)
    assert folding >= {"README.md", "serve-after-folding.md", "cli.md"}


def test_the_reader_of_pages_finds_what_is_marked(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Text.\n\n```python\na = 1\n```\n\n<!-- run -->\n```python\nb = 2\n```\n```sh\n$ mezzo demo # all\n```\n"
    )
    first, second, third = blocks(page)
    assert (first.body, first.runs) == ("a = 1", False)
    assert (second.body, second.runs) == ("b = 2", True)
    assert commands(third, "mezzo") == [["mezzo", "demo"]]


@pytest.mark.parametrize("code", ['open("rows.jsonl").read()', "open('deep/rows.jsonl').read()"])
def test_data_files_are_written(code: str, tmp_path: Path) -> None:
    write_data_files(code, tmp_path)
    assert len(list(tmp_path.rglob("rows.jsonl"))) == 1
