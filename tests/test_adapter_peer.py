"""The other project beside ours: two processes that take turns. A stand-in of a few lines plays MoE-PEFT here."""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from benchmarks.adapters import peer, peer_process

from mezzofanti.errors import ConfigurationError
from mezzofanti.files import read_json

ADAPTERS = """
import torch

class Config:
    num_experts_ = 8

class Moe:
    def __init__(self, features):
        self.gate_ = torch.nn.Linear(features, 8, bias=False)

    def forward(self, residual, hidden_states, lora_linear):
        gates = self.gate_(hidden_states).softmax(-1)
        for number, lora in enumerate(lora_linear.loras_.values()):
            residual = residual + gates[..., number, None] * lora.lora_b_(lora.lora_a_(hidden_states))
        return residual

def lora_config_factory(settings):
    assert settings["peft_type"] == "MOLA" and settings["r"] == 8
    print("a library that talks")
    return Config()

def moe_layer_factory(features, device, config):
    return Moe(features)
"""
COMMON = """
import torch

class Lora:
    def __init__(self, base):
        self.lora_a_ = torch.nn.Linear(base.in_features, 8, bias=False)
        self.lora_b_ = torch.nn.Linear(8, base.out_features, bias=False)

class Linear:
    def __init__(self, base, device):
        self.base_layer_, self.loras_ = base, {}

    def init_lora_weight(self, config, adapter_name):
        self.loras_[adapter_name] = Lora(self.base_layer_)
"""
SHAPE = {"hidden": 64, "inner": 128, "heads": 4, "batch": 1, "length": 8, "threads": 1}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    package = tmp_path / "moe_peft"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "adapters.py").write_text(ADAPTERS)
    (package / "common.py").write_text(COMMON)
    return tmp_path


def git(folder: Path, *command: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *command], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def checked_out(folder: Path) -> str:
    """Make a repository of a folder and return its one commit."""
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "all", "--allow-empty")
    git(folder, "tag", "-a", "v1", "-m", "v1")
    return git(folder, "rev-parse", "HEAD")


def test_two_processes_take_turns(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = checked_out(source)
    monkeypatch.setattr(peer, "SHAPE", SHAPE)
    monkeypatch.setattr(peer, "machine_lock", nullcontext)
    parser = argparse.ArgumentParser()
    peer.add_options(parser)
    asked = ["--python", sys.executable, "--source", str(source), "--rounds", "5", "--threads", "1"]
    peer.main(parser.parse_args([*asked, "--output", str(tmp_path / "peer.json")]))
    result = read_json(tmp_path / "peer.json")
    assert result["peer"]["commit"] == commit
    assert result["peer"]["python"] == platform.python_version()  # the stand-in runs in this very environment
    assert result["peer"]["versions"]["torch"] == result["versions"]["torch"] == version("torch")
    assert {"torch", "transformers"} <= set(result["peer"]["versions"])
    assert f"MoE-PEFT at commit {commit} with Python {platform.python_version()}, torch " in (
        capsys.readouterr().out
    )
    found: dict[str, Any] = result["contestants"]
    assert list(found) == ["their base", "mola", "our base", *peer.OURS]
    assert all(len(one["seconds"]) == 5 for one in found.values())
    # the same eight LoRAs and router on both sides
    assert found["mola"]["trainable_parameters"] == found["molora-r8"]["trainable_parameters"]
    assert found["malora"]["mola_to_this"]["low"] <= found["malora"]["mola_to_this"]["high"]


def test_a_commit_is_that_of_the_source_itself(tmp_path: Path) -> None:
    outer = checked_out(tmp_path)
    inner = tmp_path / "MoE-PEFT"
    inner.mkdir()
    assert peer_process.commit(inner) is None  # not the repository it happens to lie in
    (inner / "code.py").write_text("a = 1\n")
    own = checked_out(inner)
    assert peer_process.commit(inner) == own != outer
    (inner / "code.py").write_text("a = 2\n")
    assert peer_process.commit(inner) == f"{own}-dirty"


def test_a_process_that_cannot_begin_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ended at once"):
        peer.measure(SHAPE, Path(sys.executable), tmp_path / "nothing", 1)


def test_without_an_environment_it_says_what_to_give() -> None:
    parser = argparse.ArgumentParser()
    peer.add_options(parser)
    with pytest.raises(ConfigurationError, match="not named"):
        peer.main(parser.parse_args([]))


def test_over_the_base_is_taken_round_by_round() -> None:
    assert peer.over([2.0, 6.0], [1.0, 2.0]) == [2.0, 3.0]
