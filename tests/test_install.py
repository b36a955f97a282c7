"""`make setup` on a machine where nothing can be fetched, and what it says of an environment that is there."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
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


@pytest.fixture
def make_setup(repository: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """`make setup` in a folder whose uv only notes what it is told: returns the notes so far, a line a run."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "tools/install.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(repository / name, tmp_path / name)
    notes = tmp_path / "notes"
    notes.touch()
    programs = {".venv/bin/python": "", "programs/uv": f'echo "$@" >> {notes}\n'}
    for name, script in programs.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}")
        (tmp_path / name).chmod(0o755)
    given = ("MAKEFLAGS", "MAKEOVERRIDES", "TORCH", "PIP_ARGS", "INSTALLER", "VENV")
    environment = {name: value for name, value in os.environ.items() if name not in given}
    environment["PATH"] = f"{tmp_path / 'programs'}:{os.environ['PATH']}"

    def run(*variables: str) -> list[str]:
        command = ["make", "--no-print-directory", "setup", f"PYTHON={sys.executable}", *variables]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
        return notes.read_text().splitlines()

    return run


def test_setup_again_installs_the_build_that_is_asked_for(
    make_setup: Callable[..., list[str]], tmp_path: Path
) -> None:
    assert len(make_setup()) == 1
    assert len(make_setup()) == 1
    assert make_setup("TORCH=torch==9+cpu")[1].endswith(" torch==9+cpu")
    assert len(make_setup("TORCH=torch==9+cpu")) == 2
    index = "PIP_ARGS=--extra-index-url 'a b'"
    assert make_setup("TORCH=torch==9+cpu", index)[2].endswith(" torch==9+cpu --extra-index-url a b")
    assert len(make_setup("TORCH=torch==9+cpu", index)) == 3
    assert len(make_setup()) == 3, "what was asked for stays"
    younger = (tmp_path / ".venv" / "installed.json").stat().st_mtime + 1
    os.utime(tmp_path / "constraints.txt", (younger, younger))
    assert len(make_setup("TORCH=torch==9+cpu", index)) == 4
    assert make_setup(index)[4].endswith(" --extra-index-url a b")


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
