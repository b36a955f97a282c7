"""Every example runs as a reader would run it, on a tiny base and for a few steps where it takes either."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(example: Path, tiny_base: Path, tmp_path: Path) -> None:
    code = example.read_text("utf-8")
    command = [sys.executable, str(example)]
    command += ["--base", str(tiny_base)] if '"--base"' in code else []
    command += ["--steps", "4"] if '"--steps"' in code else []
    environment = {**os.environ, "MPLBACKEND": "agg"}
    result = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=280
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip(), "an example shows something"


def test_examples_say_what_they_show() -> None:
    for example in EXAMPLES:
        assert example.read_text("utf-8").startswith('"""'), example.name
