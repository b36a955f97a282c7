"""The command line in this process, for the tests of this room."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from mezzofanti.cli import main

Mezzo = Callable[..., tuple[int, str, str]]


@pytest.fixture
def mezzo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mezzo:
    """`mezzo("status", folder)` gives exit code, stdout and stderr."""

    def run(*arguments: Any) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mezzo", *map(str, arguments)])
        capsys.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        return code, *capsys.readouterr()

    return run
