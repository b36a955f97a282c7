"""The example runs as it is printed, and its adapter learns."""

from __future__ import annotations

import runpy
from pathlib import Path


def test_the_example_learns_and_saves(repository: Path, tmp_path: Path) -> None:
    example = runpy.run_path(str(repository / "examples" / "malora_sft.py"))
    losses = example["main"](str(tmp_path / "adapter"))
    assert losses[-1] < losses[0] - 1.0
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()
