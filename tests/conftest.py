"""What every test may ask for: a tiny model, the benchmark data, and an honest count of what was skipped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from tiny import build_tiny_base

TESTS = Path(__file__).parent
REPOSITORY = TESTS.parent

# One thread: tests run beside other work, and sums of floats come out the same everywhere.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# No deadline: a busy machine is not a failure. In CI the same examples every time.
hypothesis.settings.register_profile("mezzofanti", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("mezzofanti")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder this project was cloned to."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of benchmark data, or a skip that says how to name it."""
    folder = Path(os.environ.get("MEZZOFANTI_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("benchmark data absent: name its folder in MEZZOFANTI_DATA")
    return folder


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder with a tiny random Llama. Read it, never write to it."""
    return build_tiny_base(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture
def tiny_model(tiny_base: Path) -> Any:
    """A fresh tiny model in float32: each test may train its own."""
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_base)


@pytest.fixture
def tiny_tokenizer(tiny_base: Path) -> Any:
    """The tokenizer of `tiny_base`: one token a byte, ChatML."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_base)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name the skips that no line of `allowed_skips.txt` allows."""
    for line in _unexpected_skips(terminalreporter):
        terminalreporter.write_line(
            f"skipped in CI but not listed in tests/allowed_skips.txt: {line}", red=True
        )


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI a skipped test is a failure, unless it is listed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and _unexpected_skips(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unexpected_skips(reporter: Any) -> list[str]:
    if reporter is None or not os.environ.get("CI"):
        return []
    lines = (TESTS / "allowed_skips.txt").read_text("utf-8").splitlines()
    allowed = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    skipped = [f"{report.nodeid}: {report.longrepr[-1]}" for report in reporter.stats.get("skipped", [])]
    return [line for line in skipped if not any(part in line for part in allowed)]
