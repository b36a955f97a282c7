"""Without extras: the data commands work, and every other command says in one line what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXTRAS = (
    *(
        "torch",
        "transformers",
        "peft",
        "trl",
        "accelerate",
        "datasets",
        "safetensors",
        "tokenizers",
        "jinja2",
    ),
    *("openai", "matplotlib", "scipy", "skfem", "pyamg", "sacrebleu", "gguf", "sentencepiece", "google"),
)

PROGRAM = f"""
import sys
from importlib.machinery import PathFinder

class BaseInstall:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.split(".")[0] in {EXTRAS!r} else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = BaseInstall
from mezzofanti.cli import main
main()
"""


def mezzo(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (("learn", "recipe.yaml"), "train"),
        (("demo",), "train"),
        (("evaluate", "learner"), "train"),
        (("curvature", "solve", "recipe.yaml"), "curvature"),
    ],
)
def test_one_line_says_what_to_install(arguments: tuple[str, ...], extra: str, tmp_path: Path) -> None:
    result = mezzo(*arguments, folder=tmp_path)
    assert result.returncode == 2, result.stderr
    told = (result.stdout + result.stderr).strip()
    assert len(told.splitlines()) == 1
    assert f"pip install 'mezzofanti[{extra}]'" in told


@pytest.mark.parametrize("arguments", [("--help",), ("corpus", "build", "--help"), ("status", "--help")])
def test_help_needs_no_extra(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = mezzo(*arguments, folder=tmp_path)
    assert result.returncode == 0, result.stderr


RECIPE = """
name: small
languages: [en, fr]
sources: [{type: almanac, count: 4}]
teacher: {type: offline}
stories: {count: 8, share: 0.5}
guards: {least_answer_characters: 1}
"""


def test_a_corpus_is_built_without_extras(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(RECIPE)
    result = mezzo("corpus", "build", "small.yaml", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert list(tmp_path.rglob("*.parquet"))
