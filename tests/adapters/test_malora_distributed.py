"""Two processes train, and are counted, as one: DistributedDataParallel and FSDP2, over gloo on a CPU."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from mezzofanti.files import read_json, read_jsonl

pytestmark = pytest.mark.timeout(900)

PROGRAM = """
import os, sys, warnings
from pathlib import Path
import torch
from torch import distributed
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM
from peft import get_peft_model
from mezzofanti.adapters import MaloraConfig, MoloraConfig

base, work, rank, world = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(1)
if world > 1:
    distributed.init_process_group("gloo", init_method=f"file://{work}/meeting", rank=rank, world_size=world)
common = dict(task_type="CAUSAL_LM", r=4, num_experts=4, top_k=2, lora_alpha=8, router_aux_loss_coef=0.5,
    router_z_loss_coef=0.1, router_init_std=1.0, target_modules=["q_proj", "v_proj", "down_proj"])
kinds = {
    "malora": MaloraConfig(**common, shared_rank=6, init_malora_weights=False),
    "molora": MoloraConfig(**common, init_molora_weights=False),
    "block": MaloraConfig(**common, shared_rank=6, init_malora_weights=False, router_scope="block"),
}
generator = torch.Generator().manual_seed(0)
tokens = torch.randint(4, 260, (4, 9), generator=generator)
mask = torch.ones_like(tokens)
mask[0, :5] = 0  # so that the processes have unequal numbers of tokens that count
mine = slice(rank * 4 // world, (rank + 1) * 4 // world)


def train(wrap, config):
    torch.manual_seed(1)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).train()
    wrapped = wrap(model)
    optimizer = torch.optim.SGD([w for w in wrapped.parameters() if w.requires_grad], lr=0.05)
    for _ in range(3):
        optimizer.zero_grad()
        loss = wrapped(input_ids=tokens[mine], attention_mask=mask[mine], labels=tokens[mine], use_cache=False).loss
        loss.backward()
        assert all(w.grad is not None for w in wrapped.parameters() if w.requires_grad)
        optimizer.step()
    whole = {}
    for name, w in model.named_parameters():
        if w.requires_grad:
            whole[name] = (w.full_tensor() if hasattr(w, "full_tensor") else w).detach().clone()
    return whole


def shard(model):
    for layer in model.base_model.model.model.layers:
        fully_shard(layer)
    return fully_shard(model)


ways = {"ddp": DistributedDataParallel, "fsdp": shard} if world > 1 else {"alone": lambda model: model}
for way, wrap in ways.items():
    for kind, config in kinds.items():
        weights = train(wrap, config)
        if rank == 0:
            save_file(weights, work / f"{way}-{kind}.safetensors")
if world > 1:
    distributed.destroy_process_group()
"""


COUNTING = """
import sys
from pathlib import Path
import torch
from torch import distributed
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments
from peft import get_peft_model
from mezzofanti.adapters import MaloraConfig, RoutingTelemetry
from mezzofanti.adapters.telemetry import RoutingTally
from mezzofanti.errors import ConfigurationError
from mezzofanti.files import write_json

base, work, rank, world = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(1)
if world > 1:
    distributed.init_process_group("gloo", init_method=f"file://{work}/meeting", rank=rank, world_size=world)
torch.manual_seed(1)
model = get_peft_model(
    AutoModelForCausalLM.from_pretrained(base),
    MaloraConfig(r=4, shared_rank=6, num_experts=4, target_modules=["q_proj"], router_init_std=1.0),
)
arguments = TrainingArguments(
    output_dir=str(work / "run"), max_steps=2, per_device_train_batch_size=4 // world, logging_steps=1,
    save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True,
)
rows = [{"input_ids": [4 + n, 90 - n, 11 * n, 5], "labels": [4 + n, 90 - n, 11 * n, 5]} for n in range(8)]
telemetry = RoutingTelemetry(work / f"routing-{world}.jsonl")
trainer = Trainer(model=model, args=arguments, train_dataset=rows, callbacks=[telemetry])
trainer.train()
logs = [{n: v for n, v in log.items() if n.startswith("routing")} for log in trainer.state.log_history if "loss" in log]

# one process counts in a layer that the other never comes to, and then they count different adapters
tally, gates = RoutingTally(), torch.tensor([[0.75, 0.25]])
told = ""
if rank == 0:
    tally.observe("layer", "a", gates, gates, gates.round(), None)
load = tally.over_processes("cpu").load()
if world > 1:
    if rank == 1:
        tally.observe("layer", "b", gates, gates, gates.round(), None)
    try:
        tally.over_processes("cpu")
    except ConfigurationError as error:
        told = error.message
write_json(work / f"counted-{rank}-of-{world}.json", {"logs": logs, "load": load, "told": told})
if world > 1:
    distributed.destroy_process_group()
"""


def _run_in_two(program: Path, tiny_base: Path, work: Path) -> None:
    arguments = [[str(program), str(tiny_base), str(work), str(rank), "2"] for rank in range(2)]
    # what torchrun tells, from which a Trainer knows that it is not alone
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "0", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, *each],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **told, "RANK": each[-2], "LOCAL_RANK": each[-2]},
        )
        for each in arguments
    ]
    for process in processes:
        _, errors = process.communicate(timeout=880)
        assert process.returncode == 0, errors


def _run_alone(program: Path, tiny_base: Path, work: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(program), str(tiny_base), str(work), "0", "1"])
        runpy.run_path(str(program))


@pytest.fixture(scope="module")
def trained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Tensor]]:
    """The adapter's weights after three steps, by way and kind."""
    work = tmp_path_factory.mktemp("processes")
    program = work / "program.py"
    program.write_text(PROGRAM)
    _run_in_two(program, tiny_base, work)
    _run_alone(program, tiny_base, work)
    return {path.stem: load_file(path) for path in work.glob("*.safetensors")}


@pytest.mark.parametrize("kind", ["malora", "molora", "block"])
@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_two_processes_are_one(trained: dict[str, dict[str, Tensor]], way: str, kind: str) -> None:
    """The routers' losses included: their shares are summed over the processes."""
    alone, spread = trained[f"alone-{kind}"], trained[f"{way}-{kind}"]
    assert alone.keys() == spread.keys()
    for name, weight in alone.items():
        torch.testing.assert_close(spread[name], weight, rtol=1e-5, atol=1e-5)


def test_two_processes_are_counted_as_one(tiny_base: Path, tmp_path: Path) -> None:
    """One file with a line a log, from the tokens of both, and the same figures in either log."""
    program = tmp_path / "program.py"
    program.write_text(COUNTING)
    _run_in_two(program, tiny_base, tmp_path)
    _run_alone(program, tiny_base, tmp_path)
    alone, spread = (list(read_jsonl(tmp_path / f"routing-{world}.jsonl")) for world in (1, 2))
    assert [row["step"] for row in spread] == [1, 2]
    for one, two in zip(alone, spread, strict=True):
        assert one["load"].keys() == two["load"].keys()
        for layer, load in one["load"].items():
            assert two["load"][layer] == pytest.approx(load)
        assert two["routing_entropy"] == pytest.approx(one["routing_entropy"], abs=1e-5)
    first, second = (read_json(tmp_path / f"counted-{rank}-of-2.json") for rank in range(2))
    assert first["logs"] == second["logs"]
    assert [log["routing_entropy"] for log in first["logs"]] == [row["routing_entropy"] for row in spread]
    assert first["load"] == second["load"] == {"layer": [1.0, 0.0]}
    for counted in (first, second):
        assert counted["told"].endswith("layer has answered with two: 'a' and 'b'.")
