"""One block with the experts of TUDB-Labs/MoE-PEFT, in the environment that project needs: started by `peer`.

    PYTHONPATH=MoE-PEFT python peer_process.py '{"hidden": 4096, ...}'

It reads names of contestants from its input, one a line, and answers each with the seconds of one training step:
"base" is the frozen block alone, "mola" has MoE-PEFT's own `Linear` and `MolaSparseMoe` around every adapted map.
Nothing of this project is imported here, and nothing of that one is changed. Its first answer says what it is made of.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

LIBRARIES = ("torch", "transformers", "accelerate", "numpy")
MODULES = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "down_proj")


def block(shape: dict[str, Any]) -> Any:
    """A Llama of one layer with random weights, frozen."""
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8,
        hidden_size=shape["hidden"],
        intermediate_size=shape["inner"],
        num_hidden_layers=1,
        num_attention_heads=shape["heads"],
        num_key_value_heads=shape["heads"],
    )
    return LlamaModel(config).requires_grad_(False)


class Mola(torch.nn.Module):
    """One adapted map: MoE-PEFT's layer with its eight LoRAs and its router, called as its own forward calls it."""

    def __init__(self, base: torch.nn.Linear, settings: dict[str, Any]) -> None:
        from moe_peft.adapters import lora_config_factory, moe_layer_factory  # type: ignore[import-not-found]
        from moe_peft.common import Linear  # type: ignore[import-not-found]

        super().__init__()
        config = lora_config_factory({**settings, "peft_type": "MOLA", "target_modules": list(MODULES)})
        config.adapter_name = "mola"
        self.linear = Linear(base, "cpu")
        for expert in range(config.num_experts_):
            self.linear.init_lora_weight(config, adapter_name=f"moe.mola.experts.{expert}")
        self.moe = moe_layer_factory(base.in_features, torch.device("cpu"), config)
        # kept in plain dicts there, so that PyTorch does not see them as parts of the module
        self.trained = torch.nn.ModuleList([self.moe.gate_])
        for lora in self.linear.loras_.values():
            self.trained.extend([lora.lora_a_, lora.lora_b_])

    def forward(self, hidden_states: torch.Tensor) -> Any:
        """The base's answer and the mixture's."""
        residual = self.linear.base_layer_(hidden_states)
        answer = self.moe.forward(residual=residual, hidden_states=hidden_states, lora_linear=self.linear)
        self.moe.router_logits_ = None
        return answer


def mola(shape: dict[str, Any]) -> Any:
    """The block with every map adapted."""
    model = block(shape)
    for part in (model.layers[0].self_attn, model.layers[0].mlp):
        for name in MODULES:
            if hasattr(part, name):
                setattr(part, name, Mola(getattr(part, name), shape["settings"]))
    return model


def step(model: Any, optimizer: Any, given: torch.Tensor) -> float:
    """Forward, backward, AdamW; return the seconds."""
    started = time.perf_counter()
    given.grad = None
    torch.autograd.backward(model(inputs_embeds=given)[0].float().square().mean())
    if optimizer is not None:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return time.perf_counter() - started


def circumstances() -> dict[str, Any]:
    """The versions on this side, and the commit of MoE-PEFT's code; None where it is no checkout of its own."""
    import moe_peft  # type: ignore[import-not-found]

    source = Path(moe_peft.__file__).resolve().parents[1]
    found = {name: installed for name in LIBRARIES if (installed := _version(name))}
    return {"versions": found, "python": platform.python_version(), "commit": commit(source)}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def commit(source: Path) -> str | None:
    """The commit that is checked out in `source`, "-dirty" after it where a file of it was changed."""
    inside = source / ".git"
    if not inside.exists():  # a repository around it would answer for itself
        return None
    command = ["git", f"--git-dir={inside}", f"--work-tree={source}", "describe"]
    command += ["--always", "--abbrev=40", "--exclude=*", "--dirty"]
    said = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)  # its errors are shown
    return said.stdout.strip() or None


def main() -> None:
    """Answer until the input ends."""
    shape = json.loads(sys.argv[1])
    torch.set_num_threads(shape["threads"])
    given = torch.randn(shape["batch"], shape["length"], shape["hidden"]).requires_grad_()
    models = {"base": block(shape), "mola": mola(shape)}
    trained = [weight for weight in models["mola"].parameters() if weight.requires_grad]
    optimizers = {"base": None, "mola": torch.optim.AdamW(trained, lr=1e-4, fused=True)}
    head = {"parameters": sum(weight.numel() for weight in trained), "circumstances": circumstances()}
    print(json.dumps(head), flush=True)
    for line in sys.stdin:
        name = line.strip()
        print(json.dumps(step(models[name].train(), optimizers[name], given)), flush=True)


if __name__ == "__main__":
    main()
