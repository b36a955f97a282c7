"""What a result file says of the machine that made it."""

from __future__ import annotations

import pytest
import torch
from benchmarks.record import circumstances


@pytest.mark.parametrize("name", [None, "a GPU of that name"])
def test_a_result_names_the_gpu_that_torch_sees(name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: name is not None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: name)
    assert circumstances("python -m benchmarks.x")["machine"]["gpu"] == name


def test_a_result_holds_the_versions_that_made_it() -> None:
    found = circumstances("python -m benchmarks.x")
    assert found["versions"]["torch"] == torch.__version__
    assert found["command"] == "python -m benchmarks.x"
