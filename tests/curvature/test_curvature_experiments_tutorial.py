"""The tutorial works as written and ends with its picture."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "curvature.md"


def test_the_tutorial_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text("utf-8"), re.DOTALL)
    script = tmp_path / "tutorial.py"
    script.write_text("\n".join(blocks), "utf-8")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script))
    said = capsys.readouterr().out.splitlines()
    assert float(said[0]) < 1e-9
    assert float(said[2]) == pytest.approx(0.72, abs=0.01)
    assert float(said[3]) == pytest.approx(2**0.5)
    assert "a point carries none" in said[5]
    assert (tmp_path / "film.png").read_bytes().startswith(b"\x89PNG")
