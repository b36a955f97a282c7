"""`make setup` on a machine where nothing can be fetched, and what it says of an environment that is there."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def installer(repository: Path) -> ModuleType:
    found = importlib.util.spec_from_file_location("install", repository / "tools" / "install.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_a_failed_installation_says_why_and_leaves_no_stamp(repository: Path, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(repository / name, tmp_path / name)
    tools = tmp_path / "programs"
    tools.mkdir()
    (tools / "uv").write_text('#!/bin/sh\necho "$@"\nexit 1\n')
    (tools / "uv").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PIP_FIND_LINKS": "here there"}
    command = [sys.executable, str(repository / "tools" / "install.py"), ".venv", "--", "--no-index"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert "uv could not install this (its lines are in the log); trying pip." in result.stdout
    assert "the whole log is .venv/install.log" in result.stdout
    assert not (tmp_path / ".venv" / "installed.json").exists()
    log = (tmp_path / ".venv" / "install.log").read_text()
    assert "--find-links here --find-links there" in log
    assert "hatchling" in log


def test_sizes_count_a_hard_link_once(installer: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"x" * 100_000)
    alone = installer.folder_bytes(tmp_path)
    os.link(tmp_path / "one", tmp_path / "two")
    assert installer.folder_bytes(tmp_path) == alone
    assert 100_000 <= alone <= 200_000


def test_what_is_installed_is_told(
    installer: ModuleType, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    package = tmp_path / "lib" / "python3.11" / "site-packages" / "numpy-2.4.6.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 2.4.6\n")
    summary = installer.describe(tmp_path, 12.3)
    assert summary["packages"] == {"numpy": "2.4.6"}
    assert "Installed 1 packages: numpy 2.4.6" in capsys.readouterr().out


def test_development_requirements_are_those_of_the_project(
    installer: ModuleType, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    assert any(requirement.startswith("pytest>=") for requirement in installer.development_requirements())
