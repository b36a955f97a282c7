"""The benchmark of a training step: contestants of equal size, rounds that resume, ratios with their interval."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.adapters import memory, rounds, speed
from benchmarks.adapters.contestants import ABLATIONS, RANKS, SPEED, TIME_RANK, config
from benchmarks.adapters.workloads import WORKLOADS, Racer, Workload, racer, wide_block

from mezzofanti.errors import ConfigurationError
from mezzofanti.files import read_json, read_jsonl

NARROW = replace(
    WORKLOADS["wide-block"],
    name="narrow-block",
    batch=2,
    length=8,
    build=partial(wide_block, hidden=64, inner=128, heads=4),
)


@pytest.fixture(scope="module")
def base() -> Any:
    return NARROW.build(torch.float32)


@pytest.mark.parametrize("name", sorted({*SPEED, *RANKS, *ABLATIONS} - {"malora-48-128"}))
def test_every_contestant_takes_steps_that_change_its_weights_alone(base: Any, name: str) -> None:
    before = {key: value.clone() for key, value in base.state_dict().items()}
    one = racer(name, base, NARROW, torch.float32, 0.0)
    weights = [weight for weight in one.model.parameters() if weight.requires_grad]
    start = [weight.detach().clone() for weight in weights]
    assert one.step() > 0
    one.step()
    assert any(not torch.equal(old, new) for old, new in zip(start, weights, strict=True))
    assert all(torch.equal(value, base.state_dict()[key]) for key, value in before.items())
    assert one.parameters == sum(weight.numel() for weight in weights)


def test_contestants_share_the_weights_of_the_base(base: Any) -> None:
    one = racer("lora-r16", base, NARROW, torch.float32, 0.0)
    inside = {weight.data_ptr() for weight in one.model.parameters() if not weight.requires_grad}
    assert {weight.data_ptr() for weight in base.parameters()} == inside


def test_equal_means_as_many_parameters(base: Any) -> None:
    sizes = {
        name: racer(name, base, NARROW, torch.float32, 0.0).parameters for name in ("lora-equal", "malora")
    }
    rank = sum(n + m for n, m in [(64, 64)] * 3 + [(64, 128)] * 2 + [(128, 64)])
    assert abs(sizes["lora-equal"] - sizes["malora"]) <= rank / 2


def test_saved_bytes_of_a_linear_map_are_its_input() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(8, 4, bias=False), torch.nn.Linear(4, 2, bias=False))
    given = torch.ones(3, 8)
    one = Racer("two maps", model, lambda adapted: adapted(given).sum())
    assert one.saved_bytes() == 4 * (3 * 8 + 3 * 4)


def test_unknown_contestants_are_named() -> None:
    for name in ("malora-tall", "lora-best", "molora-8", "kora"):
        with pytest.raises(ConfigurationError, match=name):
            config(name, equal=8)
    with pytest.raises(ConfigurationError, match="not known"):
        config("lora-time", equal=8)


def test_scale_is_two_but_for_rslora() -> None:
    assert {config(name, equal=64).scale_of(12, 24) for name in ("malora",)} == {2.0}
    assert config("lora-equal", equal=64).lora_alpha == 128
    assert config("rslora-equal", equal=64).lora_alpha == 32


class Counted:
    """A racer that only counts."""

    parameters = 1

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.seconds, self.steps = name, seconds, 0

    def step(self) -> float:
        self.steps += 1
        if self.steps == 5:
            raise KeyboardInterrupt
        return self.seconds


def test_rounds_go_on_where_they_stopped(tmp_path: Path) -> None:
    def run(count: int, racers: list[Any]) -> list[dict[str, Any]]:
        return rounds.run_rounds(lambda: racers, tmp_path / "j.jsonl", count, lambda done, total: None)

    with pytest.raises(KeyboardInterrupt):
        run(8, [Counted("a", 1.0), Counted("b", 2.0)])
    done = len(list(read_jsonl(tmp_path / "j.jsonl")))
    assert done == 2  # two of four steps were warm-up
    journal = tmp_path / "j.jsonl"
    journal.write_text(journal.read_text() + '{"round": 2, "sec')
    rows = run(4, [Counted("a", 3.0), Counted("b", 4.0)])
    assert [row["round"] for row in rows] == [0, 1, 2, 3]
    assert [row["seconds"]["a"] for row in rows] == [1.0, 1.0, 3.0, 3.0]
    assert run(3, []) == rows[:3]


def test_another_setting_has_another_journal(tmp_path: Path) -> None:
    paths = {rounds.journal_path(tmp_path, "w", {"threads": count}) for count in (1, 2)}
    assert len(paths) == 2


def test_ratio_and_its_interval() -> None:
    generator = np.random.default_rng(1)
    machine = generator.uniform(1, 3, 40)  # a load that meets both alike
    below = list(machine)
    above = list(machine * 1.2)
    found = rounds.ratio(above, below)
    assert found["ratio"] == pytest.approx(1.2)
    assert (found["low"], found["high"]) == (pytest.approx(1.2), pytest.approx(1.2))
    noisy = rounds.ratio(list(machine * generator.uniform(1.1, 1.3, 40)), below)
    assert noisy["low"] < noisy["ratio"] < noisy["high"]
    assert rounds.ratio([1.0, 2.0], [1.0, 1.0])["low"] is None


@pytest.mark.skipif(not memory.PEAK.exists(), reason="peak memory is read from Linux's /proc")
def test_memory_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORKLOADS, "narrow-block", NARROW)
    found = memory.measure("narrow-block", "malora", "float32", 0.0)
    assert found["peak_resident"] >= found["resident_before"] > 50e6
    assert 0 < found["saved_for_backward"] < 1e6
    assert (found["dtype"], found["dropout"]) == ("float32", 0.0)


@pytest.mark.skipif(not memory.PEAK.exists(), reason="peak memory is read from Linux's /proc")
@pytest.mark.parametrize("name", ["malora", "molora-r8-loop"])
def test_a_step_adds_at_least_what_it_keeps_for_backward(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    build = partial(wide_block, hidden=256, inner=512, heads=4)
    monkeypatch.setitem(WORKLOADS, "block", replace(NARROW, batch=4, length=128, build=build))
    found = memory.measure("block", name, "float32", 0.0)
    if not found["heap_trimmed"]:
        pytest.skip("only glibc gives back what was freed")
    assert found["saved_for_backward"] > 10e6
    assert found["step_adds"] >= found["saved_for_backward"]


def test_what_a_step_adds_is_a_lower_bound_where_the_heap_was_not_trimmed() -> None:
    one = {"saved_for_backward": 3_000_000, "step_adds": 7_000_000, "peak_resident": 9_000_000}
    trimmed = {**one, "heap_trimmed": True, "dropout": 0.05}
    lines = speed._memory(
        "w", {"malora": trimmed, "molora-r8": {**trimmed, "heap_trimmed": False}, "old": one}
    )
    assert lines[-3:] == [
        "| malora | 0.05 | 3 | 7 | 9 |",
        "| molora-r8 | 0.05 | 3 | at least 7 | 9 |",
        "| old |  | 3 | at least 7 | 9 |",  # a file from before it was trimmed
    ]


def test_lora_time_has_the_rank_that_the_quality_studies_found(base: Any, repository: Path) -> None:
    studies = read_json(repository / "benchmarks" / "results" / "malora_quality.json")["studies"]
    ranks = {
        cell["rank"] for study in studies.values() for cell in study["cells"].get("lora-time", {}).values()
    }
    entered = racer("lora-time", base, NARROW, torch.float32, 0.0).model.peft_config["default"]
    assert ranks == {entered.r} == {TIME_RANK}


@pytest.mark.parametrize("name", ["lora-time", "malora"])
def test_dropout_is_the_contestants(base: Any, name: str) -> None:
    for dropout in (0.0, 0.05):
        one = racer(name, base, NARROW, torch.float32, dropout)
        drops = {part.p for part in one.model.modules() if isinstance(part, torch.nn.Dropout)}
        assert drops == ({dropout} if dropout else set())


def test_the_whole_benchmark_made_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow: dict[str, Workload] = {"wide-block": NARROW}
    monkeypatch.setattr(speed, "WORKLOADS", narrow)
    monkeypatch.setattr(speed, "FOLDER", tmp_path)
    monkeypatch.setattr(speed, "machine_lock", nullcontext)
    parser = argparse.ArgumentParser()
    speed.add_options(parser)

    def measured(workload: str, name: str, dtype: str, dropout: float) -> dict[str, Any]:
        sizes = {"saved_for_backward": 3_000_000, "step_adds": 7_000_000, "peak_resident": 9_000_000}
        return {"dropout": dropout, "heap_trimmed": True, **sizes}

    monkeypatch.setattr(speed, "measure_in_a_process", measured)
    asked = ["--workload", "wide-block", "--rounds", "6", "--output", str(tmp_path / "r.json")]
    asked += ["--only", "lora-equal", "lora-time", "malora", "--threads", str(torch.get_num_threads())]
    asked += ["--dropout", "0.05"]
    speed.main(parser.parse_args([*asked, "--parts", "memory"]))
    assert "| malora | 0.05 | 3 | 7 | 9 |" in capsys.readouterr().out
    speed.main(parser.parse_args([*asked, "--parts", "time"]))
    result = read_json(tmp_path / "r.json")
    found = result["workloads"]["wide-block"]
    assert (found["rounds"], found["dropout"]) == (6, 0.05)
    assert list(found["contestants"]) == ["lora-equal", "lora-time", "malora"]
    assert [(pair["above"], pair["below"]) for pair in found["pairs"]] == [("malora", "lora-time")]
    assert found["contestants"]["lora-equal"]["to_lora-equal"]["ratio"] == 1
    (target,) = result["targets"]
    assert target["met"] is (target["ratio"] <= 1.15)
    assert list(found["memory"]) == [
        "lora-equal",
        "lora-time",
        "malora",
    ]  # the first part's, kept by the second
    said = capsys.readouterr().out
    assert "| malora | 0.05 | 3 | 7 | 9 |" in said
    assert said.count("| malora |") == 2


def test_asylora_has_twice_the_rank_and_trains_b_alone(base: Any) -> None:
    one = racer("asylora-equal", base, NARROW, torch.float32, 0.0)
    equal = racer("lora-equal", base, NARROW, torch.float32, 0.0)
    trained = {name.split(".")[-3] for name, weight in one.model.named_parameters() if weight.requires_grad}
    assert trained == {"lora_B"}
    ranks = [racer.model.peft_config["default"].r for racer in (one, equal)]
    assert ranks[0] == 2 * ranks[1]
