"""The machine-wide lock: one at a time, let go of by the kernel, and no waiting for one's own parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.lock import HELD, lock_path, machine_lock

HOLD = "import time\nfrom benchmarks.lock import machine_lock\nwith machine_lock('a long run'):\n"
HOLD += "    print('held', flush=True)\n    time.sleep(60)\n"


@pytest.fixture(autouse=True)
def own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    """These tests have a lock file of their own: the real one is held by whoever runs them."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.delenv(HELD, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(repository))


@pytest.fixture
def holder(own_lock: None) -> Iterator[subprocess.Popen[str]]:
    """Another program that holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def wrapped(*command: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.lock", "--", *command],
        capture_output=True,
        text=True,
        timeout=seconds,
    )


def test_a_second_program_waits_and_says_for_whom(holder: subprocess.Popen[str]) -> None:
    second = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.lock", "--", "echo", "mine"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert second.stderr is not None
    told = second.stderr.readline()
    assert f"process {holder.pid} (a long run, since" in told
    assert second.poll() is None
    holder.kill()  # SIGKILL: nothing but the kernel lets go
    said, _ = second.communicate(timeout=30)
    assert said == "mine\n"
    assert second.returncode == 0


def test_a_child_of_the_holder_does_not_wait() -> None:
    with machine_lock("outer"):
        assert wrapped("echo", "nested").stdout == "nested\n"
        with machine_lock("inner, same program"):
            pass
        assert os.environ[HELD] == str(os.getpid())
    assert HELD not in os.environ


def test_nesting_holds_through_the_command_line() -> None:
    again = [sys.executable, "-m", "benchmarks.lock", "--", "echo", "deep"]
    assert wrapped(*again).stdout == "deep\n"


def test_a_stale_word_from_a_former_holder_is_not_believed(
    holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HELD, "1")
    with pytest.raises(subprocess.TimeoutExpired):
        wrapped("echo", "no", seconds=2)


@pytest.mark.parametrize("status", [0, 3])
def test_the_command_keeps_its_exit_status(status: int) -> None:
    assert wrapped("sh", "-c", f"exit {status}").returncode == status


def test_a_signal_reaches_the_command_and_frees_the_lock() -> None:
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.lock", "--", "sleep", "60"])
    while not lock_path().exists() or not lock_path().read_text():
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == -signal.SIGTERM
    with machine_lock("free again"):
        assert lock_path().read_text().startswith(f"{os.getpid()} (free again")


def test_without_a_command_it_says_how(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, "-m", "benchmarks.lock"], capture_output=True, text=True)
    assert result.returncode == 1
    assert "usage" in result.stderr
