"""In CI a skipped test fails the run, unless its reason is listed: tried on a small suite of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

def test_runs():
    pass

def test_skips():
    pytest.skip({reason!r})
"""


@pytest.mark.parametrize(
    ("reason", "in_ci", "status"),
    [
        ("no browser here", True, 1),
        ("no browser here", False, 0),
        ("benchmark data absent: name its folder in MEZZOFANTI_DATA", True, 0),
    ],
)
def test_a_skip_counts(reason: str, in_ci: bool, status: int, tmp_path: Path, repository: Path) -> None:
    for name in ("conftest.py", "tiny.py", "allowed_skips.txt"):
        shutil.copy(repository / "tests" / name, tmp_path / name)
    (tmp_path / "test_small.py").write_text(SUITE.format(reason=reason))
    environment = {**os.environ, "CI": "true" if in_ci else "", "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(tmp_path)]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "1 passed, 1 skipped" in result.stdout
    assert result.returncode == status, result.stdout
    assert ("not listed" in result.stdout) == (status == 1)
